/* api_session.c - GET and DELETE /api/v1/session: who is signed in, and signing out. */
#include "api_handlers.h"

#include "api_call.h"
#include "api_sites.h"
#include "farewell.h"
#include "feeder.h"
#include "hub.h"
#include "keys.h"
#include "mem.h"
#include "session.h"

static void got_user(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	const struct session *s = request_session(r);
	json_t *user = pgloop_rows(rows) > 0 ? api_json_value(rows, 0, 0) : json_null();
	char expires_at[API_TIME_SIZE];

	(void)arg;
	reply_json(r, 200,
		   json_pack("{s:s, s:o, s:s?, s:s, s:o}", "state",
			     s->active ? "active" : "pending", "user", user, "job",
			     s->active ? NULL : s->signin_job, "expires_at",
			     api_time(s->expires_at, expires_at), "site",
			     api_site_json(sites_find(g->settings, s->site))));
}

/* Whose session it is stays open until Moodle has accepted the password. */
void api_session_get(struct gateway *g, struct request *r)
{
	const struct session *s = request_session(r);
	const char *params[] = { s->user_id, s->active ? "true" : "false" };

	api_query_quick(
		g, r,
		"SELECT jsonb_build_object('id', id, 'username', username, 'fullname', fullname) "
		"FROM pensum.users WHERE id = $1 AND $2::boolean",
		ARRAY_LEN(params), params, got_user, NULL);
}

static void signed_out(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		       void *arg)
{
	const char *user_id = arg; /* whose Moodle session ends, too; NULL: nobody's */
	char key[KEY_SIZE];

	if (user_id != NULL && pgloop_rows(rows) > 0 && pgloop_value(rows, 0, 0)[0] == 't') {
		key_moodle(key, user_id);
		api_redis_send(g, "DEL", key, NULL);
		feeder_kick(g->feeder);
	}
	session_forget(g, request_session(r)->token_hash);
	hub_session_ended(g->hub, request_session(r)->token_hash);
	session_reply_ended(g, r);
}

static void got_last(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	CLEANUP(farewell_done) struct farewell f = FAREWELL_INIT;
	const struct session *s = request_session(r);
	const char *sealed = pgloop_rows(rows) > 0 ? pgloop_value(rows, 0, 1) : NULL;
	const char *params[] = { s->token_hash, sealed, NULL, NULL, NULL };

	(void)arg;
	if (sealed != NULL) {
		farewell_seal(g, s->user_id, sealed, &f);
		params[2] = f.job_id;
		params[3] = f.as;
		params[4] = f.secret.data;
	}
	api_query(g, r, "SELECT pensum.session_end($1, $2, $3, $4, $5)", ARRAY_LEN(params), params,
		  signed_out, sealed ? (void *)s->user_id : NULL);
}

/* The last browser's sign-out is Moodle's as well (deploy/sql/020_leaving.sql). */
void api_session_delete(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->token_hash };

	api_query(g, r, "SELECT user_id, sealed FROM pensum.session_last($1)", ARRAY_LEN(params),
		  params, got_last, NULL);
}
