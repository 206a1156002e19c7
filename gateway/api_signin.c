/*
 * api_signin.c - POST /api/v1/session: a browser signs in.
 *
 *	Redis pensum:moodle:<user> -> PostgreSQL moodle_sessions -> does the password fit the
 *	verifier? -> yes, and PostgreSQL still has it: 200, an active session
 *		     no, or nothing cached: 202, a pending session and a job that asks Moodle
 *
 * Redis may not have heard of a sign-out, or of an account's end; so its word alone lets nobody in.
 *
 * The two ways to 202 are one way, and both check a verifier first, so neither the answer nor its
 * time tells who has signed in lately.
 *
 * The sealed password stays in jobs.secret until the job ends, not only until a worker claims it: a
 * crashed worker then costs an attempt, not the sign-in. It is bound to the job's id, cleared by
 * every function that ends a job, and housekeeping ends sign-ins that are older than 10 minutes.
 */
#include "api_handlers.h"

#include <string.h>

#include "api_call.h"
#include "api_input.h"
#include "api_sites.h"
#include "api_submit.h"
#include "buf.h"
#include "clock.h"
#include "hasher.h"
#include "keys.h"
#include "mem.h"
#include "rate.h"
#include "session.h"

struct signin {
	struct gateway *g;
	struct request *r;
	const struct site *site;
	const char *username, *password; /* borrowed from the body */
	char user_id[VAULT_USER_ID];
	char token[VAULT_TOKEN_SIZE];
	char token_hash[VAULT_HASH_HEX];
};

static void wipe(void *arg)
{
	struct signin *s = arg;

	mem_wipe(s->token, sizeof(s->token));
}

static void send_cookie(struct gateway *g, struct request *r, void *arg)
{
	struct signin *s = arg;

	session_send_cookie(g, r, s->token);
}

static void ask_moodle(struct signin *s)
{
	struct submission *sub = submit_new(s->r, JOB_SIGNIN, "POST /api/v1/session");
	CLEANUP(buf_done) struct buf context = BUF_INIT;
	CLEANUP(buf_done) struct buf secret = BUF_INIT;
	char job_id[ID_LEN + 1];

	vault_new_id(job_id);
	buf_printf(&context, "password %s", job_id);
	vault_seal(s->g->vault, context.data, s->password, strlen(s->password), &secret);

	sub->body = request_json(s->r);
	sub->user_id = s->user_id;
	sub->site = s->site->id;
	sub->session_hash = s->token_hash;
	sub->accepted_fn = send_cookie;
	sub->arg = s;
	submit_add(sub, job_id, json_pack("{s:s}", "username", s->username), secret.data);
	submit_send(s->g, s->r, sub);
}

static void let_in(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		   void *arg)
{
	struct signin *s = arg;
	const char *username, *fullname;
	char key[KEY_SIZE];

	if (pgloop_rows(rows) == 0) {
		key_moodle(key, s->user_id);
		api_redis_send(g, "DEL", key, NULL);
		ask_moodle(s);
		return;
	}
	username = pgloop_value(rows, 0, 1);
	fullname = pgloop_value(rows, 0, 2);
	session_send_cookie(g, r, s->token);
	reply_json(r, 200, json_pack("{s:{s:s, s:s, s:s}, s:s}", "user", "id", s->user_id,
				     "username", username ? username : s->username, "fullname",
				     fullname ? fullname : "", "expires_at",
				     pgloop_value(rows, 0, 0)));
}

static void password_checked(bool ok, void *arg)
{
	struct signin *s = arg;
	const char *params[] = { s->user_id, s->token_hash,
				 input_number(s->r, s->g->settings->session_ttl_s), s->site->id };

	if (!ok) {
		ask_moodle(s);
		return;
	}
	api_query(
		s->g, s->r,
		"WITH kept AS (SELECT user_id FROM pensum.moodle_sessions "
		"WHERE user_id = $1 AND expires_at > now() FOR KEY SHARE), "
		"seen AS (UPDATE pensum.users u SET seen_at = now() FROM kept WHERE u.id = kept.user_id "
		"RETURNING username, fullname), "
		"made AS (INSERT INTO pensum.sessions (token_hash, user_id, site, active, expires_at) "
		"SELECT $2, user_id, $4, true, now() + $3::bigint * interval '1 second' FROM kept "
		"RETURNING expires_at) "
		"SELECT pensum.iso(made.expires_at), seen.username, seen.fullname "
		"FROM made LEFT JOIN seen ON true",
		ARRAY_LEN(params), params, let_in, s);
}

static void check_password(struct signin *s, const char *verifier)
{
	struct error err;

	if (hasher_check(s->g->hasher, s->user_id, s->password, verifier, password_checked, s,
			 &err) == 0)
		return;
	reply_header(s->r, "Retry-After", "2");
	reply_problem(s->r, 503, "busy", "Too many sign-ins at this moment. Try again soon.");
}

static void got_row(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		    void *arg)
{
	CLEANUP_FREE char *text = NULL;
	struct signin *s = arg;
	char key[KEY_SIZE];
	json_t *json;

	(void)r;
	if (pgloop_rows(rows) == 0) {
		check_password(s, "");
		return;
	}
	json = json_pack("{s:s, s:s, s:I}", "sealed", pgloop_value(rows, 0, 0), "verifier",
			 pgloop_value(rows, 0, 1), "expires_at",
			 (json_int_t)api_int_value(rows, 0, 2));
	key_moodle(key, s->user_id);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	api_redis_refill(g, key, text, api_int_value(rows, 0, 2));
	check_password(s, pgloop_value(rows, 0, 1));
}

static void got_cached(struct gateway *g, struct request *r, json_t *json, void *arg)
{
	struct signin *s = arg;
	const char *verifier = json_string_value(json_object_get(json, "verifier"));
	int64_t expires_at = json_integer_value(json_object_get(json, "expires_at"));
	const char *params[] = { s->user_id };

	if (verifier != NULL && expires_at > clock_wall_ms() / 1000) {
		check_password(s, verifier);
		return;
	}
	api_query(g, r,
		  "SELECT sealed, verifier, pensum.epoch(expires_at) FROM pensum.moodle_sessions "
		  "WHERE user_id = $1 AND expires_at > now()",
		  ARRAY_LEN(params), params, got_row, s);
}

static void may_try(int64_t wait_ms, void *arg)
{
	struct signin *s = arg;
	char key[KEY_SIZE];

	if (wait_ms > 0) {
		api_reply_later(s->r, "too_many_signins", wait_ms,
				"Too many tries to sign in. Wait a moment.");
		return;
	}
	vault_new_token(s->token);
	vault_hash(s->token, strlen(s->token), s->token_hash);
	key_moodle(key, s->user_id);
	api_redis_get_json(s->g, s->r, key, got_cached, s);
}

void api_session_create(struct gateway *g, struct request *r)
{
	static const char *const members[] = { "site", "username", "password", NULL };
	json_t *body = request_json(r);
	char address[RATE_ADDRESS_SIZE];
	struct signin *s;

	if (body == NULL)
		return;
	s = request_alloc(r, sizeof(*s));
	*s = (struct signin){ .g = g, .r = r };
	if (!input_members(r, body, members) || !api_site_named(g, r, body, &s->site) ||
	    !input_text(r, body, "username", 1, 255, INPUT_BYTES, &s->username) ||
	    !input_text(r, body, "password", 1, 1024, INPUT_BYTES, &s->password))
		return;
	vault_user_id(g->vault, s->site->url, s->username, s->user_id);
	request_on_free(r, wipe, s);
	/* A student's own tries (Moodle locks accounts itself), and those from one address. */
	rate_take(g,
		  (struct rate_ask[]){ { RATE_SIGNIN_ADDRESS, rate_address(r, address) },
				       { RATE_SIGNIN_USER, s->user_id } },
		  2, may_try, s);
}
