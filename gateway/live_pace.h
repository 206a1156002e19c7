/*
 * live_pace.h - whether the peer of a live channel still takes what is sent to it.
 *
 * A peer that reads nothing need never fill our queue: progress of one job is conflated there. So
 * what its kernel has confirmed is looked at, too: while bytes are on their way and none of them
 * has arrived for LIVE_STALL_MS, it has stalled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_STALL_MS 10000

struct live_pace {
	bool watched;	  /* something was written since all had arrived */
	int64_t written;  /* bytes, frames' heads not counted: it may only seem less to have arrived
			   */
	int64_t arrived;  /* most of them so far */
	int64_t since_ms; /* when it was that, monotonic */
};

/* Small kernel buffers (the hidden memory), and an end for peers that have vanished. */
void live_pace_prepare(int fd);
/* Bytes that the peer's kernel has not confirmed. */
size_t live_pace_unconfirmed(int fd);

/* True: it is to be watched from now on. */
bool live_pace_wrote(struct live_pace *p, size_t bytes, int64_t now_ms);
/* For each look at one that is watched; unconfirmed 0 ends that. True: it has stalled. */
bool live_pace_has_stalled(struct live_pace *p, size_t unconfirmed, int64_t now_ms);
