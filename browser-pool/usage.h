/*
 * usage.h - how much memory the browsers and this daemon take, each shared page counted once (PSS).
 *
 * The kernel needs milliseconds for a process, in which that cannot map memory: so it is asked
 * every ten seconds while pages are lent, waited for or kept, and for one process after the other
 * with pauses in between. While nobody needs pages it is asked when somebody wants to know, at most
 * every ten seconds. Of a process that it does not tell about (a sandboxed one, unless we are
 * root), what it shares with nobody is counted.
 */
#pragma once

#include <stdint.h>

#include "processes.h"

struct pool;
struct usage;

struct usage_bytes {
	int64_t of[PROCESS_TYPE_COUNT]; /* of all browsers' processes */
	int64_t daemon;
};

struct usage *usage_new(struct pool *p);
void usage_free(struct usage *u);

/* Pages may be needed now. */
void usage_wake(struct usage *u);
struct usage_bytes usage_get(struct usage *u);
