#include "end.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claim.h"
#include "daemon.h"
#include "failure.h"
#include "log.h"
#include "mem.h"

#define LAST_EVENT_N 1000000 /* of an attempt that ended without its worker (deploy/sql) */

struct numbers {
	char attempt[16], n[16], delay[24];
};

static void numbers_of(const struct work *w, struct numbers *out)
{
	snprintf(out->attempt, sizeof(out->attempt), "%d", w->attempt);
	snprintf(out->n, sizeof(out->n), "%d", w->event.version.n);
}

/* True when the function answered with the one row that says the transition happened. */
static int transition(struct work *w, enum count_op op, const char *sql, size_t count,
		      const char *const *params, char state[16], struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	int e = pg_exec(w->pg, sql, count, params, &r, err);
	const char *answer;

	w->op = op;
	if (e < 0)
		return e;
	answer = pg_rows(r) == 1 ? pg_value(r, 0, 0) : NULL;
	if (answer == NULL || strcmp(answer, "f") == 0)
		return 0;
	snprintf(state, 16, "%s", answer);
	return 1;
}

static void tell(struct work *w, enum job_state state, int n, const char *step, const char *note)
{
	w->event.state = state;
	w->event.version = job_version_of_row(state, w->attempt, n);
	snprintf(w->event.step, sizeof(w->event.step), "%s", step);
	snprintf(w->event.note, sizeof(w->event.note), "%s", note);
	claim_post(w->redis, &w->event);
}

/* The fenced end alone, which is a transaction of its own, or the last of one. */
static int finish_row(struct work *w, enum job_state state, struct error *err)
{
	CLEANUP_FREE char *result = w->result ? json_dumps(w->result, JSON_COMPACT) : NULL;
	bool ok = state == JOB_SUCCEEDED;
	struct numbers n;
	char answer[16];
	const char *params[] = { w->id,
				 n.attempt,
				 w->worker,
				 job_state_name(state),
				 n.n,
				 ok ? result : NULL,
				 ok ? NULL : w->failure_code,
				 ok ? NULL : w->failure_message };

	numbers_of(w, &n);
	return transition(w, COUNT_OP_FINISH,
			  "SELECT pensum.job_finish($1, $2::integer, $3, $4, $5::integer, "
			  "$6::jsonb, $7, $8)",
			  8, params, answer, err);
}

static int finish_with_rows(struct work *w, struct error *err)
{
	int e = pg_begin(w->pg, err);

	if (e == 0)
		e = w->commit(w, w->commit_arg, err);
	if (e == 0)
		e = finish_row(w, JOB_SUCCEEDED, err);
	if (e <= 0) {
		pg_rollback(w->pg);
		return e;
	}
	e = pg_commit(w->pg, err);
	return e < 0 ? e : 1;
}

static int finish(struct work *w, enum job_state state, struct error *err)
{
	bool ok = state == JOB_SUCCEEDED;
	int e;

	w->event.version.n++;
	e = ok && w->commit != NULL ? finish_with_rows(w, err) : finish_row(w, state, err);
	if (e <= 0)
		return e;
	if (ok && w->after != NULL)
		w->after(w, w->commit_arg);
	tell(w, state, w->event.version.n, ok ? "done" : w->failure_code,
	     ok ? "" : w->failure_message);
	return 1;
}

/* To what an attempt became that did not end its job: as wanted with event n, or over (cancelled,
 * or no attempt left). */
static void tell_given_back(struct work *w, const char *answer, int n, const char *step,
			    const char *note)
{
	int state = job_state_parse(answer);
	bool over = state >= 0 && job_state_is_terminal((enum job_state)state);

	if (state >= 0)
		tell(w, (enum job_state)state, over ? LAST_EVENT_N : n, step, note);
}

static int64_t retry_delay_ms(const struct work *w)
{
	int64_t delay = w->settings->jobs_retry_base_ms << MAX(0, MIN(w->tries - 1, 10));
	uint16_t jitter;

	vault_random(&jitter, sizeof(jitter));
	return MAX(delay / 2, w->retry_after_ms) + delay * jitter / UINT16_MAX;
}

int end_keep_part(struct work *w, struct pg_result **ret, struct error *err)
{
	CLEANUP_FREE char *part = json_dumps(w->next_part, JSON_COMPACT);
	struct numbers n;
	const char *params[] = { w->id, n.attempt, w->worker, part };

	numbers_of(w, &n);
	return pg_exec(w->pg, "SELECT pensum.job_keep($1, $2::integer, $3, $4::jsonb)", 4, params,
		       ret, err);
}

static int keep_part(struct work *w, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	int e = end_keep_part(w, &r, err);

	return e < 0 ? e : pg_rows(r) == 1 && strcmp(pg_value(r, 0, 0), "t") == 0;
}

/* A transition that does not end the job, in one transaction with what the attempt leaves. */
static int transition_with_part(struct work *w, enum count_op op, const char *sql, size_t count,
				const char *const *params, char state[16], struct error *err)
{
	int e = pg_begin(w->pg, err);

	if (e == 0)
		e = w->commit(w, w->commit_arg, err);
	w->op = op;
	if (e == 0)
		e = keep_part(w, err);
	if (e > 0)
		e = transition(w, op, sql, count, params, state, err);
	if (e <= 0) {
		pg_rollback(w->pg);
		return e;
	}
	e = pg_commit(w->pg, err);
	if (e < 0)
		return e;
	if (w->after != NULL)
		w->after(w, w->commit_arg);
	return 1;
}

/* Rows that the server refused would be refused again: then the next attempt begins anew. */
static int give(struct work *w, enum count_op op, const char *sql, size_t count,
		const char *const *params, char state[16], struct error *err)
{
	int e = -EPROTO;

	if (w->next_part != NULL)
		e = transition_with_part(w, op, sql, count, params, state, err);
	if (e != -EPROTO)
		return e;
	if (w->next_part != NULL)
		log_error("part refused", "err=\"%s\"", err->text);
	json_decref(w->next_part);
	w->next_part = NULL;
	return transition(w, op, sql, count, params, state, err);
}

static int give_back(struct work *w, struct error *err)
{
	struct numbers n;
	char state[16];
	const char *params[] = { w->id,	  n.attempt,	   w->worker,
				 n.delay, w->failure_code, w->failure_message };
	int e;

	numbers_of(w, &n);
	snprintf(n.delay, sizeof(n.delay), "%lld", (long long)retry_delay_ms(w));
	e = give(w, COUNT_OP_RETRY,
		 "SELECT pensum.job_retry($1, $2::integer, $3, $4::bigint, $5, $6)", 6, params,
		 state, err);
	if (e > 0) {
		count_one(&w->counts->retried);
		tell_given_back(w, state, 0, w->failure_code, w->failure_message);
	}
	return e;
}

static int hand_back(struct work *w, struct error *err)
{
	struct numbers n;
	char state[16];
	const char *params[] = { w->id, n.attempt, w->worker };
	int e;

	numbers_of(w, &n);
	e = give(w, COUNT_OP_HAND_BACK, "SELECT pensum.job_hand_back($1, $2::integer, $3)", 3,
		 params, state, err);
	if (e > 0)
		tell_given_back(w, state, 0, state, "");
	return e;
}

static int park(struct work *w, struct error *err)
{
	struct numbers n;
	char state[16];
	const char *params[] = { w->id,		  n.attempt,	      w->worker,     n.n,
				 w->failure_code, w->failure_message, w->next_secret };
	int e;

	w->event.version.n++;
	numbers_of(w, &n);
	e = give(w, COUNT_OP_WAIT,
		 "SELECT pensum.job_wait($1, $2::integer, $3, $4::integer, $5, $6, $7)", 7, params,
		 state, err);
	if (e > 0)
		tell_given_back(w, state, w->event.version.n, w->failure_code, w->failure_message);
	return e;
}

/* A commit that the server refused would be refused again: spend the attempt, keep the reason. But
 * when an earlier one may have happened, it is refused because of that. */
static int end_success(struct work *w, struct error *err)
{
	int e = finish(w, JOB_SUCCEEDED, err);

	if (e != -EPROTO || w->unsure)
		return e;
	log_error("result refused", "err=\"%s\"", err->text);
	work_fail(w, "internal", NULL);
	return give_back(w, err);
}

/* We are stopping, and so is perhaps the browser: what failed by that is not the job's fault. */
static bool is_cut_short(const struct work *w)
{
	if (!w->stopping && !daemon_stop_asked())
		return false;
	return w->failure_code[0] == '\0' || strcmp(w->failure_code, "cancelled") == 0 ||
	       failure_find(w->failure_code)->next == FAILURE_RETRY;
}

enum job_state end_state(const struct work *w, int rc)
{
	if (rc == 0)
		return JOB_SUCCEEDED;
	if (w->cancelled)
		return JOB_CANCELLED;
	if (is_cut_short(w))
		return JOB_QUEUED;
	switch (failure_find(w->failure_code)->next) {
	case FAILURE_RETRY:
		break;
	case FAILURE_WAIT:
		return JOB_WAITING;
	case FAILURE_FINAL:
		return JOB_FAILED;
	}
	return JOB_QUEUED;
}

static int end_again(struct work *w, struct error *err)
{
	if (is_cut_short(w))
		return hand_back(w, err);
	if (w->failure_code[0] == '\0')
		work_fail(w, deadline_is_over(w->deadline) ? "timeout" : "internal", NULL);
	return give_back(w, err);
}

static int end_as_left(struct work *w, int rc, struct error *err)
{
	enum job_state state = end_state(w, rc);

	if (w->lost)
		return 0;
	if (state == JOB_SUCCEEDED)
		return end_success(w, err);
	if (state == JOB_WAITING)
		return park(w, err);
	if (state == JOB_CANCELLED)
		work_fail(w, "cancelled", NULL);
	return state == JOB_QUEUED ? end_again(w, err) : finish(w, state, err);
}

/* This attempt has been ended: by a call of ours whose answer was lost, or by somebody else. 1 and
 * everybody told what the record says, 0 not ended or lost, or negative. */
static int tell_recorded(struct work *w, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	struct numbers n;
	const char *params[] = { w->id, n.attempt, w->worker };
	enum job_state state;
	int e;

	numbers_of(w, &n);
	e = pg_exec(w->pg,
		    "SELECT state, event_n, coalesce(worker = $3, false) FROM pensum.jobs "
		    "WHERE id = $1 AND attempt = $2::integer AND state <> 'running'",
		    3, params, &r, err);
	if (e < 0)
		return e;
	w->unsure = false;
	if (pg_rows(r) == 0)
		return 0;
	state = (enum job_state)job_state_parse(pg_value(r, 0, 0));
	if (state == JOB_SUCCEEDED && w->after != NULL && strcmp(pg_value(r, 0, 2), "t") == 0)
		w->after(w, w->commit_arg);
	tell(w, state, atoi(pg_value(r, 0, 1)), state == JOB_SUCCEEDED ? "done" : w->failure_code,
	     state == JOB_SUCCEEDED ? "" : w->failure_message);
	return 1;
}

int end_attempt(struct work *w, int rc, struct error *err)
{
	int e = end_as_left(w, rc, err);

	if (e == -EIO || e == -ETIMEDOUT) {
		w->unsure = true;
	} else if (e <= 0 && w->unsure) {
		int recorded = tell_recorded(w, e < 0 ? NULL : err);

		e = recorded != 0 ? recorded : e;
	}
	if (e == 0) {
		log_warning("attempt lost", "attempt=%d", w->attempt);
		count_one(&w->counts->zombie_rejected[w->lost ? COUNT_OP_LOOK : w->op]);
	}
	return e < 0 ? e : 0;
}
