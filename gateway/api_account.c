/*
 * api_account.c - DELETE /api/v1/account: nothing of the student is left here.
 *
 *	read the Moodle session -> account_delete(), one transaction -> every browser of theirs is
 *	signed out -> Redis and the object store (farewell.h) -> 204
 *
 * The Moodle session itself and a page that is kept for it end in the background.
 */
#include "api_handlers.h"

#include "api_call.h"
#include "farewell.h"
#include "feeder.h"
#include "hub.h"
#include "mem.h"
#include "session.h"

static void deleted(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		    void *arg)
{
	json_t *tokens = api_json_value(rows, 0, 0), *token;
	json_t *jobs = api_json_value(rows, 0, 1);
	json_t *objects = api_json_value(rows, 0, 2);
	size_t i;

	(void)arg;
	json_array_foreach(tokens, i, token) {
		session_forget(g, json_string_value(token));
		hub_session_ended(g->hub, json_string_value(token));
	}
	farewell_forget(g, request_session(r)->user_id, jobs, objects);
	feeder_kick(g->feeder);
	json_decref(tokens);
	json_decref(jobs);
	json_decref(objects);
	session_reply_ended(g, r);
}

static void got_session(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			void *arg)
{
	CLEANUP(farewell_done) struct farewell f = FAREWELL_INIT;
	const char *user_id = request_session(r)->user_id;
	const char *params[] = { user_id, f.job_id, f.as, NULL, request_session(r)->site };

	(void)arg;
	farewell_seal(g, user_id, pgloop_rows(rows) > 0 ? pgloop_value(rows, 0, 0) : NULL, &f);
	params[3] = f.secret.data;
	api_query(g, r, "SELECT * FROM pensum.account_delete($1, $2, $3, $4, $5)",
		  ARRAY_LEN(params), params, deleted, NULL);
}

void api_account_delete(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id };

	api_query(g, r, "SELECT sealed FROM pensum.moodle_sessions WHERE user_id = $1",
		  ARRAY_LEN(params), params, got_session, NULL);
}
