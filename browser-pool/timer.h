/*
 * timer.h - an event of libevent as a timer of milliseconds.
 */
#pragma once

#include <event2/event.h>
#include <stdint.h>

/* From now on; again, and the old time does not count. */
static inline void timer_set(struct event *timer, int64_t ms)
{
	struct timeval after = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &after);
}
