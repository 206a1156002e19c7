/*
 * api_cleanup.c - what operators do, on their own listener.
 *
 *	POST /admin/cleanup {"inactivity_minutes":30}	cleanup.h, now
 *	GET /admin/dead					jobs that will not be tried again
 *	POST /admin/jobs/{id}/requeue			one of them is, all the same
 */
#include "api_handlers.h"

#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "api_input.h"
#include "api_publish.h"
#include "api_submit.h"
#include "cleanup.h"
#include "log.h"
#include "mem.h"

#define IDLE_MAX_MINUTES 10080
#define DEAD_MAX	 "200"

/* ---- cleanup ---- */

static void cleanup_is_busy(struct request *r)
{
	reply_header(r, "Retry-After", "2");
	reply_problem(r, 409, "cleanup_running", "A cleanup runs already.");
}

static void cleaned(json_t *gone, void *arg)
{
	if (gone == NULL)
		cleanup_is_busy(arg);
	else
		reply_json(arg, 200, gone);
}

/* -1: the 422 has been sent. No such member: the usual half hour. */
static int64_t idle_minutes(struct request *r, json_t *body)
{
	static const char *const members[] = { "inactivity_minutes", NULL };
	json_t *given = json_object_get(body, members[0]);
	int64_t minutes = given == NULL ? CLEANUP_IDLE_S / 60 : json_integer_value(given);

	if (!input_members(r, body, members))
		return -1;
	if ((given == NULL || json_is_integer(given)) && minutes >= 0 &&
	    minutes <= IDLE_MAX_MINUTES)
		return minutes;
	reply_problem(r, 422, "invalid_input",
		      "inactivity_minutes must be a whole number from 0 to %d.", IDLE_MAX_MINUTES);
	return -1;
}

void api_admin_cleanup(struct gateway *g, struct request *r)
{
	json_t *body = request_json(r);
	int64_t minutes = body == NULL ? -1 : idle_minutes(r, body);

	if (minutes >= 0 && cleanup_run(g, minutes * 60, cleaned, r) < 0)
		cleanup_is_busy(r);
}

/* ---- dead letters ---- */

static void got_dead(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	json_t *jobs = api_json_value(rows, 0, 0), *job;
	size_t i;

	(void)g;
	(void)arg;
	json_array_foreach (jobs, i, job) {
		json_t *failure = json_object();

		/* the sentence that belongs to the reason, where the record has none */
		json_object_set(failure, "code", json_object_get(job, "reason"));
		json_object_set(failure, "message", json_object_get(job, "error"));
		json_object_set_new(job, "failure", failure);
		job_json_complete(job);
		json_object_set(job, "error", json_object_get(failure, "message"));
		json_object_del(job, "failure");
		json_object_del(job, "note");
	}
	reply_json(r, 200, json_pack("{s:o}", "jobs", jobs));
}

void api_admin_dead(struct gateway *g, struct request *r)
{
	const char *params[] = { DEAD_MAX };

	api_query(
		g, r,
		"SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'kind', d.kind, 'queue', "
		"d.queue, 'user_id', d.user_id, 'attempts', d.attempts, 'reason', d.reason, "
		"'error', d.error, 'stderr', d.stderr, 'created_at', pensum.iso(d.created_at), "
		"'died_at', pensum.iso(d.died_at)) ORDER BY d.died_at DESC), '[]') "
		"FROM pensum.jobs_dead($1::integer) d",
		ARRAY_LEN(params), params, got_dead, NULL);
}

static void requeued(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	struct job_event ev;

	(void)arg;
	if (pgloop_rows(rows) == 0) {
		reply_problem(
			r, 409, "not_dead",
			"There is no such dead letter, or it was a sign-in, whose password is "
			"gone.");
		return;
	}
	job_event_init(&ev);
	memcpy(ev.job, request_id_param(r), ID_LEN + 1);
	ev.state = JOB_QUEUED;
	ev.version = (struct job_version){ (int)api_int_value(rows, 0, 3) + 1, 0 };
	publish_event(g, &ev);
	log_notice("job requeued", "job=%s", ev.job);
	reply_json(r, 202,
		   json_pack("{s:s, s:s, s:s}", "id", ev.job, "state", "queued", "queue",
			     pgloop_value(rows, 0, 1)));
}

/* The bell is rung by the ringing duty, within its 2 s. */
void api_admin_requeue(struct gateway *g, struct request *r)
{
	const char *params[] = { request_id_param(r) };

	api_query(g, r, "SELECT id, queue, priority, attempt FROM pensum.job_requeue($1)",
		  ARRAY_LEN(params), params, requeued, NULL);
}
