/*
 * spool.h - finished work that waits on disk while PostgreSQL is away, failures included.
 *
 * What the finishing transaction would have said (the statements of the job's commit function, then
 * job_finish; or what a check has read before it has to wait, then job_wait) is written to a file of
 * its own, sealed by the vault because it holds what students may see only, and synced before the slot
 * goes on. When PostgreSQL is back it is said: both functions compare the attempt, so it counts once,
 * however often a crash lets it be said, and not at all when the attempt was taken over meanwhile; the
 * file is gone then, too.
 *
 * Files are named <queue>:<slot>:<job>.<attempt>. A slot replays its own before it takes work or
 * gives back what the record says that it runs; the parent does so before it gives back what a
 * slot, or its own earlier life, left running.
 */
#pragma once

#include "work.h"

struct spool {
	const char *dir;
	int64_t max_bytes; /* of all files */
	const struct vault *vault;
	struct counts *counts;
	bool is_held;		    /* some of it cannot be read for now … */
	struct deadline held_until; /* … and until then its job, if it still runs, is not given back */
};

/* The folder is made when only it is missing. Negative: finished work cannot be kept. */
int spool_check(const struct settings *s, struct error *err);
void spool_init(struct spool *sp, const struct settings *s, const struct vault *v,
		struct counts *counts);

/* What the names of a slot's files begin with, or those of all slots of a worker. */
#define SPOOL_NAME_SIZE 160
void spool_prefix(const char *worker, char out[SPOOL_NAME_SIZE]);

/* Keeps the end of w: JOB_SUCCEEDED, JOB_FAILED or JOB_WAITING. -ENOSPC: the spool is full. */
int spool_save(const struct spool *sp, struct work *w, enum job_state end, struct error *err);
/* Records all that a slot (host:queue:slot) or a worker (host:queue) has kept; none of them may be at
 * work. What is no record of ours, or is not wanted any more, goes. Negative: what was not recorded stays,
 * since PostgreSQL is away or (-EAGAIN, told in the log) a file cannot be read for now whose job the record
 * still waits for. After half a minute such a file holds its job no longer, and is only tried again each time. */
int spool_replay(struct spool *sp, const char *worker, struct pg *pg, struct redis *redis,
		 struct error *err);
