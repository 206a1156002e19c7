/*
 * outbox.h - bytes on their way into a stream.
 *
 * What is added is written by outbox_flush(), which its owner calls once for all that a turn of the
 * loop brought; only when the kernel has no room is the loop asked to say when there is some.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "buf.h"

struct outbox {
	int fd;			/* borrowed, non-blocking */
	struct event *writable; /* pending while the kernel has no room */
	struct buf bytes;	/* [written, len) waits */
	size_t written;
	uint64_t total; /* handed to the kernel, since the start */
	bool broken;	/* nothing can be written any more, and nothing waits */
};

/* fn(arg) comes from the loop when there is room again: flush then. */
void outbox_init(struct outbox *o, struct event_base *base, int fd, event_callback_fn fn,
		 void *arg);
void outbox_done(struct outbox *o);

void outbox_add(struct outbox *o, const void *data, size_t len);
/* Writes what it can of these at once, behind what waits, and copies only the rest. */
void outbox_add_large(struct outbox *o, const struct iovec *iov, size_t count);
void outbox_flush(struct outbox *o);
void outbox_stop(struct outbox *o); /* the loop does not call any more */

size_t outbox_unsent_bytes(const struct outbox *o);
bool outbox_is_blocked(const struct outbox *o); /* the loop will say when to go on */
