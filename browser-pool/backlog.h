/*
 * backlog.h - does what one page says pile up in its browser?
 *
 * All that a browser's pages say leaves through one pipe, in order, and waits before it without a
 * bound: as soon as a page says more than the browser can hand on or the pool can read (a slow
 * machine, or one with much else to do), every other page's answers stand behind it and the
 * browser grows until it dies. How much a page may say (outflow.h) does not help then, since what
 * arrives is little. So three things together are a backlog:
 *
 *	grown	the browser's first process took 32 MiB more within some seconds (or 16),
 *	late	a ping has been waiting for a fifth of a second (or, then, a whole one),
 *	said	and most of what arrived meanwhile is what one lease's page said unasked.
 *
 * Large answers that a client has asked for make the same two first signs, and not the third.
 */
#pragma once

#include <stdint.h>

struct browser;
struct context;

/* Part of each browser. */
struct backlog {
	int64_t ping_ms;      /* when the ping was sent since which … */
	uint64_t read_bytes;  /* … is counted: what had arrived by then */
	int64_t low_bytes;    /* the least memory of this span of time … */
	int64_t low_before;   /* … and of the one before */
	int64_t low_since_ms; /* when this one began; 0: nothing was measured yet */
};

/* A look: the browser's first process has so much for itself. The lent context whose page is to
 * end; NULL: there is none. */
struct context *backlog_look(struct browser *b, int64_t own_bytes);
