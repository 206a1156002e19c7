#include "outbox.h"

#include <errno.h>

#include "mem.h"

#define KEEP_BYTES (64 * 1024) /* of memory while nothing waits */

void outbox_init(struct outbox *o, struct event_base *base, int fd, event_callback_fn fn, void *arg)
{
	*o = (struct outbox){ .fd = fd, .bytes = BUF_INIT };
	o->writable = event_new(base, fd, EV_WRITE, fn, arg);
}

void outbox_done(struct outbox *o)
{
	event_free(o->writable);
	buf_done(&o->bytes);
}

void outbox_stop(struct outbox *o)
{
	event_del(o->writable);
}

size_t outbox_unsent_bytes(const struct outbox *o)
{
	return o->bytes.len - o->written;
}

bool outbox_is_blocked(const struct outbox *o)
{
	return event_pending(o->writable, EV_WRITE, NULL);
}

static void forget_all(struct outbox *o)
{
	o->written = 0;
	if (o->bytes.cap > KEEP_BYTES)
		buf_done(&o->bytes);
	else
		buf_clear(&o->bytes);
}

static void note_broken(struct outbox *o)
{
	o->broken = true;
	event_del(o->writable);
	forget_all(o);
}

/* How many bytes the kernel took. */
static size_t write_some(struct outbox *o, const struct iovec *iov, size_t count)
{
	ssize_t n;

	do
		n = writev(o->fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno != EAGAIN)
			note_broken(o);
		return 0;
	}
	o->total += (uint64_t)n;
	return (size_t)n;
}

static void wait_for_room(struct outbox *o)
{
	if (outbox_unsent_bytes(o) > 0)
		event_add(o->writable, NULL);
}

void outbox_flush(struct outbox *o)
{
	size_t left = outbox_unsent_bytes(o);
	struct iovec iov = { o->bytes.data + o->written, left };

	if (left == 0 || o->broken)
		return;
	o->written += write_some(o, &iov, 1);
	if (outbox_unsent_bytes(o) == 0)
		forget_all(o);
	wait_for_room(o);
}

void outbox_add(struct outbox *o, const void *data, size_t len)
{
	if (o->broken)
		return;
	if (o->written > KEEP_BYTES && o->written > o->bytes.len / 2) {
		buf_drop(&o->bytes, o->written);
		o->written = 0;
	}
	buf_add(&o->bytes, data, len);
}

void outbox_add_large(struct outbox *o, const struct iovec *iov, size_t count)
{
	size_t gone = 0;

	outbox_flush(o);
	if (outbox_unsent_bytes(o) == 0 && !o->broken)
		gone = write_some(o, iov, count);
	for (size_t i = 0; i < count; i++) {
		size_t skip = MIN(gone, iov[i].iov_len);

		outbox_add(o, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
		gone -= skip;
	}
	wait_for_room(o);
}
