/*
 * pgloop.h - PostgreSQL for loop processes: a small pool of connections on a libevent base.
 *
 * Queries wait in a bounded queue and each runs on the first connection that is free, or, if it is a
 * quick one, behind other quick ones (pgloop_pipe.h); each is a transaction of its own. Statements stay
 * prepared on a connection, except behind a transaction pooler, which works too. A lost connection fails
 * its queries and is opened again with back-off; queries that wait meanwhile wait until their deadline.
 *
 * Exactly once: pgloop_query() that returns 0 calls its callback once, with a result or an error,
 * also at pgloop_free(). One that returns an error never calls back.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "error.h"
#include "settings.h"

struct pgloop;
struct pgloop_result; /* borrowed, for the time of the callback */

/* result is NULL when err tells why not: -EIO, -ETIMEDOUT, -ESHUTDOWN, and refused by the server (err->text
 * holds "SQLSTATE: message"): -EAGAIN for now (read-only, disk full, deadlock), -EPROTO for good. */
typedef void pgloop_fn(const struct pgloop_result *result, const struct error *err, void *arg);

int pgloop_new(struct event_base *base, const struct settings *s, int connections,
	       struct pgloop **ret, struct error *err);
/* Fails all that waits or runs, with -ESHUTDOWN, and refuses more: what these callbacks then ask of
 * each other fails too. The first half of freeing, for programs with several such parts. */
void pgloop_close(struct pgloop *p);
void pgloop_free(struct pgloop *p); /* not from a callback of its own */
bool pgloop_is_up(const struct pgloop *p); /* any connection stands */
/* When to come back while none stands: not before the next try to connect, and what has been away for
 * long is believed to stay so for half as long again, at most half a minute. */
int pgloop_retry_ms(const struct pgloop *p);
const char *pgloop_reason(const struct pgloop *p); /* why one went down last, for the log */
/* Why PostgreSQL, which is up, has refused a write lately: it is read-only, or has no room. NULL: it has not. */
const char *pgloop_refusal(const struct pgloop *p);

/* Keeps sql's pointer (a literal) and copies the params. timeout_ms covers waiting and running.
 * -EAGAIN: the queue is full; -ESHUTDOWN: closed. */
int pgloop_query(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		 const char *const *params, pgloop_fn *fn, void *arg, struct error *err);

/* The same for a statement that waits for no lock and touches few rows: several of them are in flight on
 * a connection. */
int pgloop_query_quick(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		       const char *const *params, pgloop_fn *fn, void *arg, struct error *err);

size_t pgloop_rows(const struct pgloop_result *r);
const char *pgloop_value(const struct pgloop_result *r, size_t row, size_t column);
