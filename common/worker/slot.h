/*
 * slot.h - a worker's slot: one process that runs one job at a time, for ever.
 *
 * It listens to the bell (the queue's three streams, most urgent first), claims the job in
 * PostgreSQL, runs it and only then deletes and acks the stream entry. While Redis is away it asks
 * PostgreSQL once a second; and when nobody has rung for two seconds, since all gateways may be away.
 * A slot that is kept for what is urgent hears that stream alone, and leaves silence to the others.
 * Whatever breaks, it connects again; it ends on SIGTERM (a running job is given five seconds, then
 * handed back) or with its parent.
 *
 * Work that is done while PostgreSQL is away is spooled (spool.h) after a few seconds.
 *
 * A failure or a retry is not work: while PostgreSQL is away it waits in memory for two minutes. Then
 * the slot gives up on telling it and goes on; the record still says that the attempt runs, so it is
 * given back as lost when PostgreSQL is back, and the job is tried again.
 *
 * A claim or an end may be recorded although its answer was lost. So a slot that is idle asks the
 * record now and then, and at once after such a loss, what it runs, and gives that back.
 */
#pragma once

#include <stdatomic.h>

#include "work.h"

struct work_kind {
	enum job_kind kind;
	work_run_fn *run;
};

/* Shared with the parent, which kills a slot that does not end its job in time. */
struct slot_watch {
	_Atomic int64_t must_end_ms; /* monotonic; 0: idle */
};

struct slot_config {
	const struct settings *settings;
	enum job_queue queue;
	const struct work_kind *kinds;
	size_t kind_count;
	int64_t time_limit_ms;
	bool urgent;	/* it listens for what is urgent only */
	char name[128]; /* host:queue:slot */
	struct slot_watch *watch;
	struct counts *counts; /* shared as well */
};

#define SLOT_EXIT_MEMORY 97 /* it ran out of memory (worker.slot_memory_mb) */

/* Runs in its own process; returns its exit code. */
int slot_main(const struct slot_config *config);
