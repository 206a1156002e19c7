/*
 * measures.h - what the browsers' and pages' processes take, as it was measured last.
 *
 * A page's process is counted with what it has for itself and the shared memory that it uses
 * (pictures lie there, and what is on its way to another process), without files. What each worked
 * is known for the last fifth of a second or more: the kernel's clock is coarse.
 *
 * Processes that are gone are remembered for a moment, since their end is told later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "poolmsg.h"
#include "process.h"

struct browser;
struct processes;

struct measure {
	pid_t pid, group;
	enum process_type type; /* PROCESS_RENDERER or PROCESS_BROWSER */
	uint64_t start_ticks;
	int64_t bytes, at_ms;
	int64_t tolerated_bytes; /* a browser's: what it had when a page died for that */
	int64_t grown_bytes;	 /* since the look before */
	int64_t busy_percent;	 /* of a processor */
	int64_t fresh_bytes;	 /* of memory that it began to use in a second, given back or not */
	uint64_t counted_ticks, counted_faults; /* what it had worked and touched … */
	int64_t counted_ms;			/* … by then */

	bool killed, explained;	 /* it may go on dying for a while after both */
	enum pool_reason reason; /* once killed */
};

struct measures {
	struct measure *list;
	size_t count, cap;
};

void measures_done(struct measures *all);

/* As of the last refresh of the processes. */
void measures_take(struct measures *all, const struct processes *from, const struct browser *b,
		   int64_t now);
void measures_forget_old(struct measures *all, int64_t now);
struct measure *measures_find(struct measures *all, pid_t pid); /* until the next measures_take() */
