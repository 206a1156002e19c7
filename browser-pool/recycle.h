/*
 * recycle.h - which browser should go, why, and when.
 *
 *	fine --due--> READY, due --its turn--> READY, leaving --successor works--> DRAINING …
 *	  |                                                                           ^
 *	  +-- a fault: it cannot make or end pages any more --------------------------+
 *
 * A browser becomes due for the reasons below and goes on lending. The due ones take turns: one is
 * leaving at a time, for which a successor is started first. While one is leaving, draining, or
 * dying after that, it is not counted against pool.max_browsers, so there is one more at most. When
 * the successor has made a page, the old one drains (browser.h): its warm and kept pages go, its
 * leases run on for pool.drain_s. A successor that does not start changes nothing: the old one
 * lends until one does, with the usual pauses between attempts.
 *
 * How it is found out:
 *
 *	leases	    pool.recycle_leases were served
 *	age	    pool.recycle_age_s, a tenth more or less, different for each
 *	memory	    the private memory of its leader, network and GPU processes is more than
 *		    pool.recycle_growth_mb over what it was pool.settle_s after its start (trend.h)
 *	latency	    a page is made (canary.h) in four times its usual time, and 200 ms more than it
 *	executable  pool.browser is another file than what it was started from, and does not change
 *		    any more
 *	operator    {"op":"recycle"}
 *	zygote	    one of its zygotes died (zygotes.h)
 *	canary	    a fault: no page can be made
 *	stuck	    a fault: a page could not be disposed in time
 *	surplus	    pool.max_browsers was lowered: nobody succeeds it, and it counts as long as it is
 *		    there
 *	idle	    nobody needs it (idle.h): likewise
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "trend.h"
#include "zygotes.h"

struct browser;
struct pool;

enum recycle_reason {
	RECYCLE_NONE,
	RECYCLE_LEASES,
	RECYCLE_AGE,
	RECYCLE_MEMORY,
	RECYCLE_LATENCY,
	RECYCLE_EXECUTABLE,
	RECYCLE_OPERATOR,
	RECYCLE_ZYGOTE,
	RECYCLE_CANARY,
	RECYCLE_STUCK,
	RECYCLE_SURPLUS,
	RECYCLE_IDLE,
	RECYCLE_REASON_COUNT
};

const char *recycle_reason_name(enum recycle_reason why); /* "leases", …; NONE has none: NULL */

/* What is known of one browser; part of it. */
struct recycle {
	enum recycle_reason due;
	bool leaving;	 /* it is, or was, its turn; or a fault */
	unsigned newest; /* the newest browser's id when its turn began: newer ones succeed it */
	int age_percent; /* of pool.recycle_age_s */
	struct trend memory_mb, latency_ms;
	struct zygotes zygotes;
	int64_t weighed_ms;	    /* when its memory was asked for last */
	struct stat executable;	    /* when it was started */
	struct stat executable_now; /* as seen last */
};

void recycle_init(struct recycle *r, const char *executable);

/* Once per turn of the pool. */
void recycle_decide(struct pool *p);
/* Now and then: looks at what no event tells. */
void recycle_look(struct pool *p);
/* The operator's: all that are ready now. */
void recycle_all(struct pool *p);
/* It drains now: for why, unless it was due already. */
void recycle_note_leaving(struct browser *b, enum recycle_reason why);
/* A page was made in this time, the best of some. */
void recycle_note_latency(struct browser *b, int64_t took_ms);

/* Browsers that are there beyond pool.max_browsers: 0 or 1. */
unsigned recycle_extra(const struct pool *p);
