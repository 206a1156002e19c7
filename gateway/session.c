#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "clock.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "session_recent.h"
#include "text.h"

/* A request whose session is being looked up. */
struct check {
	struct gateway *g;
	struct request *r;
	enum route_access access;
	route_fn *then;
	struct session session; /* token_hash from the start */
	bool is_cached;		/* the rest of it is Redis's word, not a fresh one */
};

static bool is_hex(const char *text, size_t len)
{
	return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

void session_reply_signed_out(struct request *r)
{
	reply_problem(r, 401, "signed_out", "Please sign in.");
}

static void decide(struct check *c, bool is_known)
{
	if (!is_known || sites_find(c->g->settings, c->session.site) == NULL) {
		session_reply_signed_out(c->r);
	} else if (c->access == ROUTE_USER && !c->session.active) {
		reply_problem(c->r, 403, "signin_pending", "The sign-in is still running.");
	} else {
		request_set_session(c->r, &c->session);
		c->then(c->g, c->r);
	}
}

/* What was looked up; a session is then known for a moment. */
static void decide_anew(struct check *c, bool is_known)
{
	if (is_known && c->session.active)
		session_recent_add(c->g->sessions, &c->session, clock_now_ms());
	decide(c, is_known);
}

static void remember(struct check *c)
{
	int64_t left_s = c->session.expires_at - clock_wall_ms() / 1000;
	char key[KEY_SIZE], ttl[24];
	CLEANUP_FREE char *text = NULL;
	json_t *json;

	if (left_s <= 0)
		return;
	json = json_pack("{s:s, s:s, s:s, s:I, s:I}", "user_id", c->session.user_id, "site",
			 c->session.site, "signin_job", c->session.signin_job, "expires_at",
			 (json_int_t)c->session.expires_at, "checked_at",
			 (json_int_t)(clock_wall_ms() / 1000));
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	key_session(key, c->session.token_hash);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)MIN(left_s, SESSION_IDLE_S));
	api_redis_send(c->g, "SET", key, text, "EX", ttl, NULL);
}

static void take_row(struct check *c, const struct pgloop_result *rows)
{
	struct session *s = &c->session;

	if (pgloop_rows(rows) > 0) {
		snprintf(s->user_id, sizeof(s->user_id), "%s", pgloop_value(rows, 0, 0));
		snprintf(s->signin_job, sizeof(s->signin_job), "%s", pgloop_value(rows, 0, 1));
		s->active = pgloop_value(rows, 0, 2)[0] == 't';
		s->expires_at = api_int_value(rows, 0, 3);
		snprintf(s->site, sizeof(s->site), "%s", pgloop_value(rows, 0, 4));
		if (s->active)
			remember(c);
	} else if (c->is_cached) {
		session_forget(c->g, s->token_hash); /* it did not hear of the sign-out */
	}
	decide_anew(c, pgloop_rows(rows) > 0);
}

static void got_row(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct check *c = arg;

	if (rows != NULL)
		take_row(c, rows);
	else if (c->is_cached && err->code != -ESHUTDOWN)
		decide(c, true);
	else
		api_reply_away(c->r);
	if (rows == NULL && err->code == -EPROTO)
		log_error("session query refused", "why=\"%s\"", err->text);
}

/* A second browser session of one sign-in (a repeated request) may come after the job's end has
 * made the first one active; so the job itself is asked too. */
static void read_row(struct check *c)
{
	static const char sql[] =
		"SELECT s.user_id, coalesce(s.signin_job, ''), "
		"s.active OR coalesce(j.state = 'succeeded', false), pensum.epoch(s.expires_at), s.site "
		"FROM pensum.sessions s "
		"LEFT JOIN pensum.jobs j ON NOT s.active AND j.id = s.signin_job "
		"WHERE s.token_hash = $1 AND s.expires_at > now()";
	const char *params[] = { c->session.token_hash };
	bool is_up = pgloop_is_up(c->g->pg);

	if (!is_up && c->is_cached)
		decide(c, true);
	else if (pgloop_query_quick(c->g->pg, is_up ? API_QUERY_MS : API_QUERY_AWAY_MS, sql, 1,
				    params, got_row, c, NULL) < 0)
		api_reply_away(c->r);
}

static bool read_cached(struct session *s, const json_t *json)
{
	const char *user_id = json_string_value(json_object_get(json, "user_id"));
	const char *job = json_string_value(json_object_get(json, "signin_job"));
	const char *site = json_string_value(json_object_get(json, "site"));

	if (user_id == NULL || !is_hex(user_id, VAULT_USER_ID - 1) || site == NULL ||
	    !site_id_is_valid(site))
		return false;
	snprintf(s->site, sizeof(s->site), "%s", site);
	snprintf(s->user_id, sizeof(s->user_id), "%s", user_id);
	if (job != NULL && id_is_valid(job))
		snprintf(s->signin_job, sizeof(s->signin_job), "%s", job);
	s->expires_at = json_integer_value(json_object_get(json, "expires_at"));
	s->active = true;
	return s->expires_at > clock_wall_ms() / 1000;
}

static bool is_fresh(const json_t *json)
{
	int64_t age_s = clock_wall_ms() / 1000 -
			json_integer_value(json_object_get(json, "checked_at"));

	return age_s >= 0 && age_s < SESSION_FRESH_S;
}

static void got_cached(struct gateway *g, struct request *r, json_t *json, void *arg)
{
	struct check *c = arg;

	(void)g;
	(void)r;
	c->is_cached = json != NULL && read_cached(&c->session, json);
	if (c->is_cached && is_fresh(json))
		decide_anew(c, true);
	else
		read_row(c);
}

void session_require(struct gateway *g, struct request *r, enum route_access access,
		     route_fn *then)
{
	const char *token = request_cookie(r, SESSION_COOKIE);
	char key[KEY_SIZE];
	struct check *c;

	if (access == ROUTE_PUBLIC || access == ROUTE_ADMIN) {
		then(g, r);
		return;
	}
	c = request_alloc(r, sizeof(*c));
	*c = (struct check){ .g = g, .r = r, .access = access, .then = then };
	if (token == NULL || strlen(token) != VAULT_TOKEN_SIZE - 1) {
		decide(c, false);
		return;
	}
	vault_hash(token, strlen(token), c->session.token_hash);
	if (session_recent_find(g->sessions, c->session.token_hash, clock_now_ms(), &c->session)) {
		decide(c, true);
		return;
	}
	key_session(key, c->session.token_hash);
	api_redis_use_json(g, r, key, SESSION_IDLE_S, got_cached, c);
}

void session_send_cookie(struct gateway *g, struct request *r, const char *token)
{
	bool is_secure = text_starts_with(g->settings->gateway_public_url, "https://");
	char cookie[256];

	snprintf(cookie, sizeof(cookie),
		 SESSION_COOKIE "=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%lld%s",
		 token ? token : "", token ? (long long)g->settings->session_ttl_s : 0LL,
		 is_secure ? "; Secure" : "");
	reply_header(r, "Set-Cookie", cookie);
	mem_wipe(cookie, sizeof(cookie));
}

static void reply_ended(struct gateway *g, struct request *r, const char *text, size_t len,
			void *arg)
{
	(void)text;
	(void)len;
	(void)arg;
	session_send_cookie(g, r, NULL);
	reply_empty(r, 204);
}

void session_reply_ended(struct gateway *g, struct request *r)
{
	api_redis_settle(g, r, reply_ended, NULL);
}

void session_forget(struct gateway *g, const char *token_hash)
{
	char key[KEY_SIZE];

	session_recent_remove(g->sessions, token_hash);
	key_session(key, token_hash);
	api_redis_send(g, "DEL", key, NULL);
}
