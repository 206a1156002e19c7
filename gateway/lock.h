/*
 * lock.h - one of several gateways does a thing at a time: pensum:lock:<name> in Redis.
 *
 *	lock_take(g, &l, "cleanup", 60000, begin, me);	begin(true, me): ours, or Redis cannot tell
 *	…
 *	lock_release(g, &l);
 *
 * A lock is a token that only its taker knows, with a time to live: who dies holding it delays the
 * others by that, and who was slower than that gives back nothing that is another's by now. It only
 * spares work: what must not happen twice is decided by PostgreSQL, so without Redis all goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway.h"
#include "keys.h"

#define LOCK_TOKEN_SIZE 33

struct lock {
	char key[KEY_SIZE];
	char token[LOCK_TOKEN_SIZE]; /* "": nothing to give back */
	void (*fn)(bool taken, void *arg);
	void *arg;
};

/* Calls fn exactly once, at once or later; l must live until then. */
void lock_take(struct gateway *g, struct lock *l, const char *name, int64_t ttl_ms,
	       void (*fn)(bool taken, void *arg), void *arg);
/* Without waiting; fine for one that was not taken. */
void lock_release(struct gateway *g, struct lock *l);
