/*
 * clock.h - monotonic time for waits, wall clock for records only.
 *
 * A struct deadline is an instant on the monotonic clock; a clock step cannot move it.
 */
#pragma once

#include <stdint.h>
#include <stdbool.h>

struct deadline {
	int64_t at_ms; /* CLOCK_MONOTONIC; INT64_MAX = never */
};

int64_t clock_now_ms(void);   /* CLOCK_MONOTONIC */
int64_t clock_now_us(void);   /* the same, to measure what is short */
int64_t clock_wall_ms(void);  /* CLOCK_REALTIME since 1970, for records */

struct deadline deadline_in(int64_t ms);
struct deadline deadline_min(struct deadline a, struct deadline b);
bool deadline_is_over(struct deadline d);
int deadline_left_ms(struct deadline d); /* 0 .. INT_MAX, as poll() takes it */

/* A bounded pause, for retry loops only. Wakes early on a signal. */
void clock_sleep_ms(int64_t ms);
