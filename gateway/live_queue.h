/*
 * live_queue.h - what a live channel has still to send: bounded, and with at most one waiting
 * progress event for each job.
 *
 * A progress event that still waits is replaced in place by the next event of its job: a slow
 * reader sees fewer steps and never old ones. All else waits its turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "live_frame.h"

#define LIVE_QUEUE_FRAMES 256
#define LIVE_QUEUE_BYTES  65536

struct live_item;

struct live_queue {
	STAILQ_HEAD(, live_item) items;
	size_t count, bytes;
};

void live_queue_init(struct live_queue *q);
void live_queue_done(struct live_queue *q); /* empties it; usable again */
/* Takes a reference of its own. job NULL: never replaced and replaces nothing. 1: it replaced one that
 * waited; -ENOBUFS: full. */
int live_queue_push(struct live_queue *q, struct live_frame *frame, const char *job,
		    bool replaceable);
/* The next frame, its reference yours; NULL: empty. */
struct live_frame *live_queue_take(struct live_queue *q);
