/*
 * redis.h - Redis for straight-line processes: one connection, blocking, with deadlines.
 *
 * Connects on first use and again after any loss, at most once per second: while Redis is away,
 * calls fail at once. A timed-out connection is closed, so that a late answer can never be taken
 * for the next one's; a Redis that hangs is then left alone for three seconds, or each call of its
 * callers would wait for it. Arguments are length-prefixed: nothing in a value is ever a command.
 *
 * Errors: -EIO away or lost, -ETIMEDOUT, -EPROTO an error reply (its text is in err).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "error.h"
#include "settings.h"

struct redis;

/* A reply as a tree. Borrowed pointers live as long as the reply. */
struct redis_reply;

int redis_new(const struct settings *s, struct redis **ret, struct error *err);
void redis_free(struct redis *r);
void redis_disconnect(struct redis *r); /* of our own will: the next use connects at once */
/* Grows by one at each new connection: a reader then looks at its own pending entries again. */
unsigned redis_generation(const struct redis *r);

/* argv are NUL-ended strings; wait_ms bounds the answer. *ret (may be NULL) is yours. */
int redis_command(struct redis *r, int wait_ms, size_t argc, const char *const *argv,
		  struct redis_reply **ret, struct error *err);
/* redis_call(r, 1000, &reply, err, "GET", key, NULL) */
int redis_call(struct redis *r, int wait_ms, struct redis_reply **ret, struct error *err, ...)
	__attribute__((sentinel));

/* A command whose answer nobody needs: goes out with the next redis_command(), redis_send() or
 * redis_settle(), and is answered before the next redis_command() is, whose caller waits for both, or in
 * redis_settle(). */
void redis_post(struct redis *r, size_t argc, const char *const *argv);
void redis_send(struct redis *r); /* what was posted goes out; nobody waits for an answer */
int redis_settle(struct redis *r, int wait_ms, struct error *err);

void redis_reply_free(struct redis_reply *reply);
void redis_reply_cleanup(struct redis_reply **reply); /* for CLEANUP() */

size_t redis_count(const struct redis_reply *reply); /* elements of an array, else 0 */
const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i);
/* Text of a string or status, NUL-ended; NULL for other types. len may be NULL. */
const char *redis_text(const struct redis_reply *reply, size_t *len);
long long redis_integer(const struct redis_reply *reply); /* 0 for other types */

/* Where Redis is and what it wants to hear, from redis.address and the password's file or credential. */
struct redis_target {
	char *host_or_path;
	int port;	/* 0: Unix socket */
	char *password; /* NULL: none */
};
int redis_target_read(const struct settings *s, struct redis_target *t, struct error *err);
void redis_target_done(struct redis_target *t); /* wipes the password */
