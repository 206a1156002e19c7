/*
 * end.h - how an attempt ends: the SQL function that fits what its code left, and the event that
 * tells of it.
 *
 *	succeeded		its rows and job_finish in one transaction
 *	failed for good		job_finish		cancelled		job_finish
 *	failed in passing	job_retry		needs the student	job_wait
 *	cut short by our stop	job_hand_back
 */
#pragma once

#include "work.h"

/* Ends the attempt as its code left it (rc of work_run_fn) and posts the new state (redis_post(): it goes
 * out with what the caller says next, or settles): w->event has it then, or is "running" when the attempt
 * was lost. Negative: the end is not known to be recorded; call again, as often as it takes. A commit
 * whose answer was lost is found by its row. */
int end_attempt(struct work *w, int rc, struct error *err);

/* Writes what the attempt leaves to the next one (w->next_part); for the transaction that gives it back.
 * *ret (may be NULL) is false when the attempt is no longer ours. */
int end_keep_part(struct work *w, struct pg_result **ret, struct error *err);

/* What that makes of the job: JOB_QUEUED when it is to be run again, else JOB_SUCCEEDED, JOB_FAILED,
 * JOB_WAITING or JOB_CANCELLED. */
enum job_state end_state(const struct work *w, int rc);
