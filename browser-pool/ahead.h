/*
 * ahead.h - how many blank pages to make before anybody asks for one, and when.
 *
 * A lease of a page that lies ready takes a millisecond, of one that does not 40 and more. But a
 * blank page holds 14 MB, and making it takes the browser's main thread and 50 ms of a processor:
 *
 *	POOL_WARM_CONTEXTS	usually
 *	1			while leases last that keep the processors busy (two for each): who
 *				comes then waits for these, and hardly for a page
 *	0			where the pool sleeps
 *
 * If another one is ready, the next is not made in the first moments of a lease, when that loads
 * its own page.
 */
#pragma once

#include <stdint.h>

struct ahead;
struct pool;

struct ahead *ahead_new(struct pool *p);
void ahead_free(struct ahead *a);

void ahead_note_lease_begun(struct ahead *a);
void ahead_note_lease_over(struct ahead *a);

/* How many to begin now, those that somebody waits for included; the pool is woken when that
 * changes with time. May be less than none. */
int64_t ahead_wanted(struct ahead *a);
