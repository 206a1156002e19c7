/*
 * priority.h - a page is made behind the work of those that are lent.
 *
 * To make one takes 50 ms of a processor, which the pages in use need as well; if it has to wait for
 * these, more gets done, even where somebody waits for the page. So while pages are made, the
 * browser's zygote, whose copy a page's process is, is set back to a fifteenth of what others get, and
 * every copy with it. (To set it back further gains nothing, and what it holds in the kernel meanwhile
 * all wait for.)
 *
 *	a page				until it is lent
 *	whatever else it made meanwhile	until the next page is made (a lent page's next process)
 *	all of them			for 100 ms at most, then pages that take longer go on as usual
 *
 * A canary's page is made as usual. Who sets a process back may put it right again with CAP_SYS_NICE
 * or where its RLIMIT_NICE says so (child.c); elsewhere browsers are left alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIORITY_PATIENCE_MS 100

struct browser;
struct context;
struct pool;
struct process;

/* Part of each browser. */
struct priority {
	pid_t zygote; /* of its pages; 0: not known yet, or left alone */
	uint64_t zygote_start_ticks;
	bool is_behind;
};

/* The process of a page of it has become known. */
void priority_note_process(struct browser *b, const struct process *page);
/* Once per turn of the pool, after it has begun to make pages, and at the patience's end. */
void priority_decide(struct pool *p);
/* A page of it has been made. */
void priority_note_made(struct browser *b);
void priority_note_lent(const struct context *c);
