/*
 * memory.h - is there memory for one more page? If not, requests wait in the queue.
 *
 * What is left (sysmem.h) less what is promised: a page that is being made, a lease and a browser
 * that have only just begun will grow, and the kernel does not know it yet. One more may come when
 * what it needs then fits above a floor (pool.min_available_mb). When nothing else grows, it need
 * not fit: somebody must be able to work on a machine however small.
 *
 * Short of memory is the pool when less than the floor is really left, or when programs wait for
 * memory for more than pool.max_pressure percent of the time; it is over when there is a quarter
 * more than the floor, and half of that pressure. Meanwhile nothing is made or lent, and four times
 * a second one page goes that nobody uses: the longest idle kept one, or else a warm one. Kept ones
 * also go while somebody waits because the next page would not fit.
 *
 * Nobody is refused for it, but patience ends with reason memory. At most four times a second the
 * kernel is asked, and not at all while the pool has no page and nobody waits for one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sysmem.h"

struct pool;
struct memory;

enum memory_need {
	MEMORY_BROWSER,	   /* to start one */
	MEMORY_PAGE,	   /* to make one */
	MEMORY_LEASE,	   /* to lend a warm one, which then grows */
	MEMORY_KEPT_LEASE, /* to lend a kept one, which has grown before */
};

struct memory_state {
	bool known; /* else the kernel did not say, and everything is admitted */
	struct sysmem now;
	int64_t reserved_bytes, floor_bytes;
	bool is_short;
	bool denied; /* in the last turn of decisions something was not admitted */
};

struct memory *memory_new(struct pool *p);
void memory_free(struct memory *m);

/* A turn of decisions begins; the settings may have changed. */
void memory_begin_turn(struct memory *m);
/* False: not now. The pool decides again as soon as that may have changed. */
bool memory_admits(struct memory *m, enum memory_need need);

struct memory_state memory_state(struct memory *m);
