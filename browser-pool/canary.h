/*
 * canary.h - can a ready browser still make pages, and as fast as ever?
 *
 * A browser whose zygote is dead answers its pings for ever. So every pool.canary_s, and soon after
 * an odd event, a page is made in it (context.h: a script must run in its process) and thrown away,
 * unless somebody waits for one. Pages that were made meanwhile anyway tell as much: then there is
 * none extra. It is made within pool.max_pages: when all are in use a warm one makes room, and when
 * there is none of these, the next page that comes free does. A failure is context.h's: the browser
 * drains with reason canary.
 *
 * The best time of each pool.canary_s goes to recycle.h: the best, since others' work slows pages
 * down too. The first span does not count: a new browser's first pages take longer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct browser;
struct pool;

/* Part of each browser. */
struct canary {
	int64_t begun_ms; /* the present span of pool.canary_s; 0: from the first page on */
	int64_t best_ms;  /* of the pages made in it; 0: none yet */
	bool odd;	  /* something happened since */
	bool settled;	  /* the first span is over */
};

/* Once per turn of the pool, before it makes pages for others. */
void canary_decide(struct pool *p);
void canary_note_made(struct browser *b, int64_t took_ms);
void canary_note_odd(struct browser *b);
