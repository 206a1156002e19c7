/*
 * worker.h - a worker program: a parent that does no work and its slots.
 *
 * The parent forks the slots, starts a dead one again (its job goes back to the queue at once, the
 * kernel tells us), kills one that outstays its job's time limit, and beats in pensum.workers so that
 * the gateway can tell a dead host. SIGTERM ends the slots, then the parent. It waits three seconds for
 * PostgreSQL at most, so that one which hangs does not keep it from all this.
 *
 * Passwords pass through JSON here (a job's arguments, the messages to the browser): jansson's memory
 * is wiped when it is freed.
 */
#pragma once

#include "options.h"
#include "slot.h"

struct worker_program {
	struct program program;
	enum job_queue queue;
	const struct work_kind *kinds;
	size_t kind_count;
};

/* For struct program: what every worker opens at its start. */
int worker_check_start(const struct settings *s, struct error *err);

int worker_main(const struct worker_program *wp, int argc, char **argv);
