/*
 * api_limit.h - how often something may happen: GCRA, one number for each key, in this process.
 *
 *	static struct limit_table tries;
 *	static const struct limit limit = { .burst = 10, .interval_ms = 6000 };
 *	wait_ms = limit_take(&tries, &limit, limit_key("user", id), clock_now_ms());
 *
 * burst at once, then one each interval. Memory is fixed: in a full row of the table the key whose
 * limit is nearest to its end is forgotten, so a flood of keys weakens the limit, never the daemon.
 * A table is all zero at first.
 */
#pragma once

#include <stdint.h>

struct limit {
	int burst;
	int interval_ms;
};

#define LIMIT_ROWS 1024
#define LIMIT_WAYS 4
struct limit_table {
	struct limit_cell {
		uint64_t key;
		int64_t full_at_ms; /* when the whole burst is there again */
	} cells[LIMIT_ROWS][LIMIT_WAYS];
};

/* Different kinds of names do not meet. Not predictable from outside. */
uint64_t limit_key(const char *kind, const char *name);

/* 0: it may happen and is counted; else the milliseconds until it may, and nothing is counted. */
int64_t limit_take(struct limit_table *t, const struct limit *l, uint64_t key, int64_t now_ms);
