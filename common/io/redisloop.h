/*
 * redisloop.h - Redis for loop processes: one command connection on a libevent base (hiredis).
 *
 * Reconnects with back-off 50 ms … 5 s. hiredis 0.14 has no timers, so a watchdog closes the
 * connection when the oldest answer is older than 2 s (blocking reads: their own limit). At most
 * 10,000 commands in flight; more fail at once. A blocking XREAD needs a redisloop of its own.
 *
 * Exactly once: redisloop_command() that returns 0 calls its callback once (reply NULL: lost), also
 * at redisloop_free(). One that returns an error never calls back.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "error.h"
#include "redis.h" /* struct redis_reply and its readers */
#include "settings.h"

struct redisloop;
typedef void redisloop_fn(const struct redis_reply *reply, void *arg); /* NULL: connection lost */
typedef void redisloop_up_fn(bool up, void *arg);

/* up_fn (may be NULL) is told of every change, from the loop. */
int redisloop_new(struct event_base *base, const struct settings *s, redisloop_up_fn *up_fn,
		  void *arg, struct redisloop **ret, struct error *err);
/* Loses all that is in flight and refuses more: the first half of freeing (see pgloop_close()). */
void redisloop_close(struct redisloop *r);
void redisloop_free(struct redisloop *r); /* not from a callback of its own */
bool redisloop_is_up(const struct redisloop *r);
const char *redisloop_reason(const struct redisloop *r); /* why it went down last, for the log */

/* Why Redis, which is up, has refused us lately: it is full, a replica, cannot save, is busy with a script,
 * does not let us, or has something else at a key of ours. NULL: it has not. */
const char *redisloop_refusal(const struct redisloop *r);

/* While it is not up: -EIO at once, nothing waits. limit_ms: when the watchdog may give up on this
 * command; 0 = the usual 2000. fn may be NULL. An error reply reaches fn as a reply for which
 * redis_text() is NULL and redis_error_text() is not. */
int redisloop_command(struct redisloop *r, int limit_ms, size_t argc, const char *const *argv,
		      redisloop_fn *fn, void *arg, struct error *err);

/* What has been sent in this turn of the loop goes out now rather than at the turn's end: for what
 * others wait for, before something that takes its time. Not from a callback of a redisloop. */
void redisloop_flush(struct redisloop *r);

const char *redis_error_text(const struct redis_reply *reply); /* NULL: no error reply */
