#include "claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"
#include "mem.h"
#include "publish.h"

#define REDIS_MS      1000
#define LOOK_MS	      2000
#define CLAIM_COLUMNS "id, kind, user_id, input, secret, attempt, attempt - excused, site, part"

void claim_publish(struct redis *redis, const struct job_event *ev)
{
	struct publish_command cmd;

	publish_command(&cmd, ev);
	redis_command(redis, REDIS_MS, PUBLISH_ARGC, cmd.argv, NULL, NULL);
}

void claim_post(struct redis *redis, const struct job_event *ev)
{
	struct publish_command cmd;

	publish_command(&cmd, ev);
	redis_post(redis, PUBLISH_ARGC, cmd.argv);
}

static void fill(struct work *w, const struct pg_result *r)
{
	const char *secret = pg_value(r, 0, 4), *part = pg_value(r, 0, 8);
	int kind = job_kind_parse(pg_value(r, 0, 1));

	w->kind = kind < 0 ? JOB_KIND_COUNT : (enum job_kind)kind;
	snprintf(w->id, sizeof(w->id), "%s", pg_value(r, 0, 0));
	snprintf(w->user_id, sizeof(w->user_id), "%s", pg_value(r, 0, 2));
	w->site = sites_find(w->settings, pg_value(r, 0, 7));
	w->input = json_loads(pg_value(r, 0, 3), 0, NULL);
	w->secret = secret ? mem_strdup(secret) : NULL;
	w->part = part ? json_loads(part, 0, NULL) : NULL;
	w->attempt = atoi(pg_value(r, 0, 5));
	w->tries = atoi(pg_value(r, 0, 6));
	job_event_init(&w->event);
	memcpy(w->event.job, w->id, sizeof(w->event.job));
	w->event.state = JOB_RUNNING;
	w->event.version = (struct job_version){ w->attempt, 1 };
	w->retry_after_ms = 0;
	w->next_look = deadline_in(LOOK_MS);
}

static int claim_with(struct work *w, const char *sql, size_t count, const char *const *params,
		      struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	int e = pg_exec(w->pg, sql, count, params, &r, err);

	if (e < 0)
		return e;
	if (pg_rows(r) == 0)
		return 0;
	fill(w, r);
	return 1;
}

/* A claim does not wait for the disk: a job starts that much sooner, and costs one flush less. What a
 * crash of the server can take back is a claim of the last moments (three times wal_writer_delay), never
 * one behind which a commit was waited for, since the log is written in its order. Then the record says
 * again what it said before: queued, attempt k. And
 *
 *	nothing is lost		its hint is rung again, as any that was not heard
 *	nothing is done twice	who runs attempt k + 1 on a claim that is gone finds so when he looks or ends:
 *				the job does not run, or it is another slot's with the same number; every
 *				transition compares the slot as well as the attempt. And a slot has given up
 *				the one when it claims the other: what it has spooled it hands in before that
 *	nothing seems older	of an attempt no more is told than its claim (n = 1) and that it starts (n = 2)
 *				before its claim is on the disk (claim_keep()), so that the events of the one
 *				that gets the number next are newer
 *	no attempt is spent	that anybody can have seen the end of: ends are waited for, as submissions are,
 *				and the audit trail tells of no more */
#define WITHOUT_WAITING "set_config('synchronous_commit', 'off', true), "

int claim_job(struct work *w, const char *id, const char *attempt, struct error *err)
{
	char per_user[24];
	const char *params[] = { id, attempt, w->worker, per_user };

	snprintf(per_user, sizeof(per_user), "%lld", (long long)w->settings->jobs_per_user_running);
	return claim_with(w,
			  "SELECT " CLAIM_COLUMNS
			  " FROM " WITHOUT_WAITING
			  "pensum.job_claim($1, $2::integer, $3, $4::integer)",
			  4, params, err);
}

int claim_next(struct work *w, enum job_queue queue, struct error *err)
{
	char per_user[24];
	const char *params[] = { job_queue_name(queue), w->worker, per_user };

	snprintf(per_user, sizeof(per_user), "%lld", (long long)w->settings->jobs_per_user_running);
	return claim_with(
		w, "SELECT " CLAIM_COLUMNS " FROM " WITHOUT_WAITING
			   "pensum.job_claim_next($1, $2, $3::integer)",
		3, params, err);
}

void claim_done(struct work *w)
{
	work_free_all(w);
	json_decref(w->input);
	json_decref(w->part);
	json_decref(w->next_part);
	json_decref(w->result);
	if (w->secret != NULL)
		mem_wipe(w->secret, strlen(w->secret));
	free(w->secret);
	free(w->next_secret);
	w->next_secret = NULL;
	w->input = w->result = w->part = w->next_part = NULL;
	w->secret = NULL;
}

int claim_is_still_ours(struct pg *pg, const struct work *w, bool *cancel)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	char attempt[16];
	const char *params[] = { w->id, attempt, w->worker };
	int before = pg_set_patience(pg, LOOK_MS); /* the job's time goes on meanwhile */
	int e;

	snprintf(attempt, sizeof(attempt), "%d", w->attempt);
	e = pg_exec(pg,
		    "SELECT cancel FROM pensum.jobs WHERE id = $1 AND attempt = $2::integer "
		    "AND worker = $3 AND state = 'running'",
		    3, params, &r, NULL);
	pg_set_patience(pg, before);
	if (e < 0)
		return e;
	if (pg_rows(r) == 0)
		return 0;
	*cancel = strcmp(pg_value(r, 0, 0), "t") == 0;
	return 1;
}

/* Any commit that is waited for takes those before it to the disk; this one is of the claim's row, so
 * that it tells whether there still is one. */
int claim_keep(struct pg *pg, const struct work *w)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	char attempt[16];
	const char *params[] = { w->id, attempt, w->worker };
	int before = pg_set_patience(pg, LOOK_MS);
	int e;

	snprintf(attempt, sizeof(attempt), "%d", w->attempt);
	e = pg_exec(pg,
		    "UPDATE pensum.jobs SET event_n = event_n WHERE id = $1 "
		    "AND attempt = $2::integer AND worker = $3 AND (state = 'running') IS TRUE "
		    "RETURNING 1",
		    3, params, &r, NULL);
	pg_set_patience(pg, before);
	return e < 0 ? e : pg_rows(r) > 0;
}

/* Row: id, state, attempt, event_n (jobs_release_worker). What is queued again is rung by the gateway,
 * which hears of it here. */
static void tell_released(struct redis *redis, const struct pg_result *r, size_t row,
			  const char *message)
{
	struct job_event ev;

	job_event_init(&ev);
	snprintf(ev.job, sizeof(ev.job), "%s", pg_value(r, row, 0));
	ev.state = (enum job_state)job_state_parse(pg_value(r, row, 1));
	ev.version = job_version_of_row(ev.state, atoi(pg_value(r, row, 2)),
					atoi(pg_value(r, row, 3)));
	snprintf(ev.step, sizeof(ev.step), "worker_lost");
	snprintf(ev.note, sizeof(ev.note), "%s", message);
	claim_publish(redis, &ev);
}

int claim_release(struct pg *pg, struct redis *redis, const char *worker, const char *message,
		  const char *tail, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *params[] = { worker, "worker_lost", message, tail };
	int e = pg_exec(pg, "SELECT * FROM pensum.jobs_release_worker($1, $2, $3, $4)",
			ARRAY_LEN(params), params, &r, err);

	if (e < 0)
		return e;
	for (size_t i = 0; i < pg_rows(r); i++) {
		log_warning("job released", "job=%s state=%s worker=%s", pg_value(r, i, 0),
			    pg_value(r, i, 1), worker);
		tell_released(redis, r, i, message);
	}
	return (int)pg_rows(r);
}
