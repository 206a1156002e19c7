/*
 * measures.h - what the browsers' and pages' processes take, as it was measured last.
 *
 * A page's process is counted with what it has for itself and the shared memory that it uses
 * (pictures lie there, and what is on its way to another process), without files. What each worked
 * is known for the last fifth of a second or more: the kernel's clock is coarse.
 *
 * asked_ticks are what the kernel worked for it in the last two to four seconds. A message to another
 * process is a system call, and new memory is a fault, so this is what a page shows that gives its
 * browser much to do or to keep, and not one that only computes.
 *
 * Processes that are gone are remembered for a while: their end is told later, and so may be what
 * they have begun.
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
	int64_t grown_bytes;	/* since the look before */
	int64_t busy_percent;	/* of a processor */
	uint64_t counted_ticks; /* what it had worked … */
	int64_t counted_ms;	/* … by then */
	uint64_t asked_ticks;
	uint64_t before_ticks; /* the kernel's work when the last span of time began … */
	uint64_t span_ticks;   /* … and when this one did, … */
	int64_t span_ms;       /* … at this time */

	/* a browser's */
	bool is_recovering; /* from what a page did that was ended for it */
	int64_t calm_ms;    /* since then it has neither been late … */
	int64_t calm_bytes; /* … nor grown much beyond this */
	int64_t kept_bytes; /* what was left when it last had recovered */

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
