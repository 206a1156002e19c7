/* api_session.c - GET and DELETE /api/v1/session: who is signed in, and signing out. */
#include "api_handlers.h"

#include "api_call.h"
#include "hub.h"
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
		   json_pack("{s:s, s:o, s:s?, s:s, s:{s:s, s:s}}", "state",
			     s->active ? "active" : "pending", "user", user, "job",
			     s->active ? NULL : s->signin_job, "expires_at",
			     api_time(s->expires_at, expires_at), "site", "name",
			     g->settings->site_name, "url", g->settings->site_url));
}

/* Whose session it is stays open until Moodle has accepted the password. */
void api_session_get(struct gateway *g, struct request *r)
{
	const struct session *s = request_session(r);
	const char *params[] = { s->user_id, s->active ? "true" : "false" };

	api_query(g, r,
		  "SELECT jsonb_build_object('id', id, 'username', username, 'fullname', fullname) "
		  "FROM pensum.users WHERE id = $1 AND $2::boolean",
		  ARRAY_LEN(params), params, got_user, NULL);
}

static void signed_out(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		       void *arg)
{
	(void)rows;
	(void)arg;
	session_forget(g, request_session(r)->token_hash);
	hub_session_ended(g->hub, request_session(r)->token_hash);
	session_send_cookie(g, r, NULL);
	reply_empty(r, 204);
}

/* A sign-in that still runs is cancelled with it: nobody could see how it ends. */
void api_session_delete(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->token_hash };

	api_query(g, r,
		  "WITH gone AS (DELETE FROM pensum.sessions WHERE token_hash = $1 "
		  "RETURNING user_id, signin_job, active) "
		  "SELECT pensum.job_cancel(signin_job, user_id) FROM gone WHERE NOT active",
		  ARRAY_LEN(params), params, signed_out, NULL);
}
