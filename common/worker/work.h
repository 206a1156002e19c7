/*
 * work.h - one attempt of one job, as the code that does it sees it.
 *
 * A job's code is a function that reads from top to bottom:
 *
 *	static int run(struct work *w)
 *	{
 *		work_progress(w, "reading courses", 0, 0, "");
 *		…
 *		if (…)
 *			return work_fail(w, "site_down", "Moodle does not answer.");
 *		work_on_commit(w, write_rows, NULL, rows);
 *		w->result = json_pack(…);
 *		return 0;
 *	}
 *
 * What it wants to keep it writes in its commit function, which runs inside the transaction that
 * ends the job: if this attempt has been lost meanwhile, nothing of it is kept.
 *
 * A long job that fails on its way may leave what it has (work_keep): should it be tried again, or wait
 * for the student, the rows are written at once and the next attempt finds in w->part what is done.
 */
#pragma once

#include <jansson.h>

#include "clock.h"
#include "counts.h"
#include "error.h"
#include "jobmsg.h"
#include "pg.h"
#include "redis.h"
#include "settings.h"
#include "vault.h"

struct work;

typedef int work_run_fn(struct work *w); /* 0, or negative after work_fail() */
/* Inside the finishing transaction; negative rolls everything back and retries the job. */
typedef int work_commit_fn(struct work *w, void *arg, struct error *err);
typedef void work_after_fn(struct work *w, void *arg); /* after the commit: caches */

struct work {
	/* what every attempt may use */
	const struct settings *settings;
	struct vault *vault;
	struct pg *pg;
	struct redis *redis;
	struct counts *counts;
	struct deadline deadline; /* of the whole attempt */

	/* the job */
	char id[ID_LEN + 1];
	char user_id[VAULT_USER_ID];
	const struct site *site; /* whose student that is; never NULL when the code runs */
	enum job_kind kind; /* JOB_KIND_COUNT: one that this version does not know */
	int attempt;
	int tries; /* attempts that count, this one included */
	char worker[128];
	json_t *input;
	char *secret; /* sealed; NULL: none */
	char *next_secret; /* takes its place when the job is parked; NULL: it stays */
	json_t *part; /* what an earlier attempt kept (work_keep); NULL: nothing */

	/* what the code sets */
	json_t *result; /* object for the job's row; taken */
	char failure_code[32];
	char failure_message[JOB_NOTE_SIZE];
	int64_t retry_after_ms; /* not sooner than this, should it be retried */

	/* kept by work.c */
	json_t *next_part; /* takes the part's place when the attempt is given back; NULL: it stays */
	work_commit_fn *commit;
	work_after_fn *after;
	void *commit_arg;
	struct work_memory *memory;
	struct job_event event; /* newest */
	bool event_unsent;
	bool claim_kept; /* the record keeps it, whatever happens to the server */
	struct deadline next_event, next_look, next_keep;
	enum count_op op; /* the newest that was tried */
	bool unsure; /* an end was sent and not answered: it may be recorded */
	bool lost, cancelled, stopping;
	bool spooled; /* ended, and the record of it waits on disk */
	struct deadline stop_at;
};

/* Tells the student where we are; at most five a second leave, the newest wins. total 0: not
 * countable. note is a sentence or "". */
void work_progress(struct work *w, const char *step, int done, int total, const char *note);

/* Sets the failure (failure.h) and returns -1. message NULL: the table's own. */
int work_fail(struct work *w, const char *code, const char *message);

/* Zeroed memory that lives until the attempt's end is recorded: what commit functions write. done
 * (may be NULL) is called before it is freed. */
void *work_alloc(struct work *w, size_t size, void (*done)(void *));
void work_free_all(struct work *w); /* for claim.c */

void work_on_commit(struct work *w, work_commit_fn *commit, work_after_fn *after, void *arg);

/* For an attempt that fails: part (taken) is what the next one finds, and commit writes the rows of
 * what is done, in the transaction that gives the attempt back. A final failure keeps neither. */
void work_keep(struct work *w, json_t *part, work_commit_fn *commit, work_after_fn *after,
	       void *arg);

/* For everything that waits (a struct work * as lease_tick_fn's arg): sends what is unsent, looks
 * for cancel and loss every two seconds. Non-zero: stop what you do. */
int work_tick(void *work);

/* So long from now, and not beyond the attempt's own limit. */
struct deadline work_within(const struct work *w, int64_t ms);

/* The sealed password opened; end it with buf_wipe(). */
int work_open_secret(struct work *w, struct buf *out);
/* What was sealed under "<what> <job id>". */
int work_open_secret_as(struct work *w, const char *what, struct buf *out);
