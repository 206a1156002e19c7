/*
 * positions.h - where queued jobs stand in their queue, and when they will start (view
 * pensum.job_positions).
 *
 * Both queues are read as a whole, because every place depends on all others: at most every two
 * seconds, less often when that takes long, and only when somebody asks. So it costs the same
 * however many ask.
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

struct positions;

struct position {
	int place; /* 1: the next to start */
	int eta_s; /* until it starts, from now; -1: nobody can know yet */
};

typedef void positions_fn(void *arg);

struct positions *positions_new(struct gateway *g);
void positions_free(struct positions *p); /* after pgloop_close(), which answers all that asked */

/* fn is called once, perhaps at once: when what is known is new enough, or no news can be had. */
void positions_ask(struct positions *p, positions_fn *fn, void *arg);
/* False: not queued, not due, or too new or too far behind to be known. */
bool positions_find(const struct positions *p, const char *job, struct position *ret);
