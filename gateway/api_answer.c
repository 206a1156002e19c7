/*
 * api_answer.c - POST /api/v1/jobs/{id}/answer: the code that a sign-in waits for.
 *
 * Sealed for this job alone, and the next attempt's (deploy/sql/018_parks_and_ends.sql); what is kept of
 * it is gone when that attempt ends. Moodle counts wrong codes itself; tries are counted here as those
 * to sign in are.
 */
#include "api_handlers.h"

#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "api_input.h"
#include "api_publish.h"
#include "buf.h"
#include "feeder.h"
#include "mem.h"
#include "rate.h"

struct answer {
	struct gateway *g;
	struct request *r;
	const char *id, *code; /* borrowed from the request */
};

static void answered(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	const struct answer *a = arg;
	struct job_event ev = { .state = JOB_QUEUED };

	if (pgloop_rows(rows) == 0) {
		api_reply_unknown(r);
		return;
	}
	if (pgloop_value(rows, 0, 0) == NULL) {
		reply_problem(r, 409, "nothing_asked", "This job waits for no answer now.");
		return;
	}
	snprintf(ev.job, sizeof(ev.job), "%s", a->id);
	ev.version = job_version_of_row(JOB_QUEUED, (int)api_int_value(rows, 0, 0), 0);
	publish_event(g, &ev);
	feeder_kick(g->feeder);
	reply_empty(r, 204);
}

static void may_answer(int64_t wait_ms, void *arg)
{
	struct answer *a = arg;
	const struct session *s = request_session(a->r);
	CLEANUP(buf_done) struct buf sealed = BUF_INIT;
	const char *params[] = { s->user_id, s->token_hash, a->id, NULL };
	char context[64];

	if (wait_ms > 0) {
		api_reply_later(a->r, "too_many_signins", wait_ms,
				"Too many tries to sign in. Wait a moment.");
		return;
	}
	snprintf(context, sizeof(context), "code %s", a->id);
	vault_seal(a->g->vault, context, a->code, strlen(a->code), &sealed);
	params[3] = sealed.data;
	api_query(a->g, a->r,
		  "SELECT (SELECT * FROM pensum.job_answer(j.id, j.user_id, $4)) "
		  "FROM pensum.jobs_visible($1, $2, $3, 1) j",
		  ARRAY_LEN(params), params, answered, a);
}

void api_job_answer(struct gateway *g, struct request *r)
{
	static const char *const members[] = { "code", NULL };
	const struct session *s = request_session(r);
	const char *id = request_id_param(r);
	json_t *body = request_json(r);
	struct answer *a;

	if (body == NULL)
		return;
	a = request_alloc(r, sizeof(*a));
	*a = (struct answer){ .g = g, .r = r, .id = id };
	if (!input_members(r, body, members) ||
	    !input_text(r, body, "code", 1, 64, INPUT_BYTES, &a->code))
		return;
	if (id == NULL || !id_is_valid(id) || (!s->active && strcmp(id, s->signin_job) != 0)) {
		api_reply_unknown(r);
		return;
	}
	rate_take(g, (struct rate_ask[]){ { RATE_SIGNIN_USER, s->user_id } }, 1, may_answer, a);
}
