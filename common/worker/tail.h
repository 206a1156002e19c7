/*
 * tail.h - what a slot has written to its stderr of late, for the record of its death.
 *
 * A slot's log lines go where its parent's go, and wait for nobody. What the C library, a sanitizer or
 * another library writes to descriptor 2 goes into a pipe: the parent reads it each turn and writes it on,
 * unchanged and by whole lines. A copy of each log line goes into the pipe, too, and is not written on. So
 * the parent has the last 4 KiB of both, in their order, when the slot is dead.
 *
 *	tail_open()	the parent, once for each slot: a slot that is started anew has the same pipe
 *	tail_enter()	the slot: from now on its stderr is the pipe
 *	tail_begin()	the slot, when a job begins or ends: what was before is not of what comes
 *	tail_read()	the parent, each turn
 *	tail_end()	the parent, when the slot is dead, then tail_text() and tail_clear()
 *
 * A log line never waits for the parent: while the pipe is half full no more copies are made. Who else
 * writes more than a pipe holds waits for the parent's next turn, and for the parent's stderr as if it were
 * its own. The parent waits for neither; only of a dead slot's words it drops what its stderr does not take
 * in time.
 *
 * It holds no secret that our code knows of: log lines have none (log.h). The others tell addresses, names
 * of functions, and what was asserted; but nobody can vouch for them. It is for operators only.
 */
#pragma once

#include <stdbool.h>

#include "buf.h"
#include "clock.h"
#include "error.h"

#define TAIL_BYTES 4096

struct tail {
	int fds[2];	    /* the pipe's two ends; -1: there is none */
	struct buf kept;    /* the last that was written */
	struct buf passing; /* of others, not yet written on: less than a line */
	bool in_copy;	    /* in the middle of a log line's copy */
};

/* Negative: the slot's stderr stays the parent's, and nothing is kept. */
int tail_open(struct tail *t, struct error *err);
void tail_close(struct tail *t);

void tail_enter(const struct tail *t);
void tail_begin(void);

void tail_read(struct tail *t);
void tail_end(struct tail *t, struct deadline patience); /* with our own stderr */
/* TAIL_BYTES at most, valid UTF-8 without control characters but newlines and tabs; free() it. NULL: there
 * is nothing. */
char *tail_text(const struct tail *t);
void tail_clear(struct tail *t);
