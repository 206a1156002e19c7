/*
 * outflow.h - what a lease's page says to its client: does the client read it, and could anybody?
 *
 *	slow_consumer	more than 16 MiB wait and none of it was read for two seconds; or 32 MiB of
 *			events wait, or 64 MiB of anything
 *	flood		the page said, unasked, 32 MiB more than 8 MiB a second, whether or not the
 *			client reads it; an event counts as its bytes and 1 KiB
 *
 * What pages say goes through the one process that all pages of a browser share, and waits there
 * without a bound: a page that logs in an endless loop would end it within seconds, and with it
 * everybody's page (backlog.h is for machines where less than that is too much). Answers are as
 * large as they may be, since clients ask for them.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool_lease;

struct outflow {
	struct pool_lease *lease;
	struct event *timer;	 /* while much waits: does the client read at all? */
	uint64_t written_before; /* when the timer was set */
	size_t events_unread;	 /* bytes of events since little waited for the client */
	int64_t events_over;	 /* bytes of events beyond the rate … */
	int64_t counted_ms;	 /* … up to then */
	uint64_t said, marked;	 /* bytes of events: all, and those before the mark */
};

void outflow_init(struct outflow *o, struct pool_lease *l);
void outflow_stop(struct outflow *o); /* the lease is over */
void outflow_done(struct outflow *o);

/* Before a message: false when it is one too many, and then the lease was ended. */
bool outflow_admits(struct outflow *o, bool is_event, size_t bytes);
/* After it. */
void outflow_watch(struct outflow *o);
/* Bytes of events since outflow_mark(), or since the lease began. */
void outflow_mark(struct outflow *o);
uint64_t outflow_since_mark(const struct outflow *o);
/* Much waits for the client. */
bool outflow_is_slow(const struct outflow *o);
