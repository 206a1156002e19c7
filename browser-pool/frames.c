#include "frames.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"
#include "outbox.h"

#define READ_BYTES  (256 * 1024)
#define KEEP_BYTES  (64 * 1024) /* of memory while nothing is in it */
#define LARGE_BYTES (32 * 1024) /* is written at once, without a copy of what can be written */

/*
 * Messages are read and handled in place; only what is here of an incomplete one is kept. What is
 * sent within a turn of the loop goes out at its end in one write (event_active() runs before the
 * loop looks for new input), and the loop is asked for room only when the kernel has none.
 */
struct frames {
	struct frames_ends ends;
	struct event *readable;
	struct event *later; /* the end of the turn: writes, and tells what a call found out */
	struct frames_owner owner;
	struct frames_limits limits;

	struct buf in;	 /* the beginning of a message whose end is not here yet */
	size_t searched; /* bytes of it that hold no end mark */
	bool skipping;	 /* inside a message over the limit: tail holds its last bytes */
	char tail[FRAMES_TAIL_BYTES];
	size_t tail_len;
	bool newline_seen; /* the peer is a person */

	struct outbox out;

	bool finishing, finished, ended;
	bool in_callback, freed;
	uint64_t read_bytes;
};

/* Where everybody's input arrives: it is handled before anyone reads again. */
static char arrived[READ_BYTES];

static void release(struct frames *f)
{
	event_free(f->readable);
	event_free(f->later);
	outbox_done(&f->out);
	buf_done(&f->in);
	close(f->ends.in);
	if (f->ends.out != f->ends.in)
		close(f->ends.out);
	free(f);
}

/* Every callback of libevent runs between these two, so that the owner may free us inside. */
static void enter(struct frames *f)
{
	f->in_callback = true;
}

static void leave(struct frames *f)
{
	f->in_callback = false;
	if (f->freed)
		release(f);
}

void frames_free(struct frames *f)
{
	if (f == NULL)
		return;
	f->freed = true;
	event_del(f->readable);
	event_del(f->later);
	outbox_stop(&f->out);
	if (!f->in_callback)
		release(f);
}

static void clear(struct buf *b)
{
	if (b->cap > KEEP_BYTES)
		buf_done(b);
	else
		buf_clear(b);
}

/* Writing */

static const char *end_mark(const struct frames *f)
{
	return f->newline_seen ? "\n" : "";
}

void frames_send(struct frames *f, const char *text, size_t len)
{
	struct cdp_pieces pieces = { .at = { { text, len } }, .count = 1, .bytes = len };

	frames_send_pieces(f, &pieces);
}

static void send_large(struct frames *f, const struct cdp_pieces *pieces)
{
	struct iovec iov[CDP_MAX_PIECES + 1];
	size_t count = pieces->count;

	for (size_t i = 0; i < count; i++)
		iov[i] = (struct iovec){ (void *)pieces->at[i].data, pieces->at[i].len };
	iov[count++] = (struct iovec){ (void *)end_mark(f), 1 };
	outbox_add_large(&f->out, iov, count);
}

void frames_send_pieces(struct frames *f, const struct cdp_pieces *pieces)
{
	if (f->out.broken || f->finishing)
		return;
	if (pieces->bytes > LARGE_BYTES) {
		send_large(f, pieces);
	} else {
		for (size_t i = 0; i < pieces->count; i++)
			outbox_add(&f->out, pieces->at[i].data, pieces->at[i].len);
		outbox_add(&f->out, end_mark(f), 1);
	}
	if (!outbox_is_blocked(&f->out))
		event_active(f->later, 0, 0);
}

/* Reading */

/* The end mark in these bytes; NULL = not yet here. */
static char *find_end(struct frames *f, char *data, size_t len)
{
	char *end = memchr(data, '\0', len);
	char *line;

	if (f->limits.newline) {
		line = memchr(data, '\n', end ? (size_t)(end - data) : len);
		if (line != NULL) {
			f->newline_seen = true;
			return line;
		}
	}
	return end;
}

static void keep_tail(struct frames *f, const char *data, size_t len)
{
	size_t keep;

	if (len >= sizeof(f->tail)) {
		memcpy(f->tail, data + len - sizeof(f->tail), sizeof(f->tail));
		f->tail_len = sizeof(f->tail);
		return;
	}
	keep = MIN(f->tail_len, sizeof(f->tail) - len);
	memmove(f->tail, f->tail + f->tail_len - keep, keep);
	memcpy(f->tail + keep, data, len);
	f->tail_len = keep + len;
}

/* A message over the limit: all of it (its end mark follows), or what is here of it. */
static void take_large(struct frames *f, const char *data, size_t len, bool is_end)
{
	bool tell = f->limits.wait_for_end ? is_end : !f->skipping;

	f->skipping = !is_end;
	keep_tail(f, data, len);
	if (!tell)
		return;
	f->owner.too_large(f->owner.arg, f->tail, f->tail_len);
	f->tail_len = 0;
}

static void take_message(struct frames *f, char *text, size_t len)
{
	text[len] = '\0';
	f->owner.message(f->owner.arg, text, len);
}

/* Of the bytes that are here, how many are done with. The first `searched` hold no end mark. */
static size_t take_messages(struct frames *f, char *data, size_t len, size_t searched)
{
	size_t at = 0;

	while (at < len && !f->freed && !f->finishing) {
		char *end = find_end(f, data + at + searched, len - at - searched);
		size_t size = end ? (size_t)(end - data) - at : len - at;

		searched = 0;
		if (f->skipping || size > f->limits.max_message)
			take_large(f, data + at, size, end != NULL);
		else if (end != NULL)
			take_message(f, data + at, size);
		else
			break;
		at += size + (end != NULL);
	}
	return f->freed || f->finishing ? len : at;
}

/* What has just arrived in the common place; the rest of it is kept. */
static void take_arrived(struct frames *f, size_t len)
{
	size_t done = take_messages(f, arrived, len, 0);

	buf_add(&f->in, arrived + done, len - done);
	f->searched = f->in.len;
}

/* More of what was kept. */
static void take_kept(struct frames *f)
{
	size_t done = take_messages(f, f->in.data, f->in.len, f->searched);

	if (done == f->in.len)
		clear(&f->in);
	else
		buf_drop(&f->in, done);
	f->searched = f->in.len;
}

static ssize_t read_some(struct frames *f)
{
	char *to = arrived;
	size_t room = sizeof(arrived);
	ssize_t n;

	if (f->in.len > 0) {
		buf_reserve(&f->in, KEEP_BYTES);
		to = f->in.data + f->in.len;
		room = MIN(f->in.cap - f->in.len - 1, READ_BYTES);
	}
	do
		n = read(f->ends.in, to, room);
	while (n < 0 && errno == EINTR);
	return n;
}

static void take_end(struct frames *f)
{
	event_del(f->readable);
	if (f->ended)
		return;
	f->ended = true;
	f->owner.ended(f->owner.arg);
}

static void tell_finished(struct frames *f)
{
	if (!f->finishing || f->finished || f->freed)
		return;
	if (frames_unsent_bytes(f) > 0)
		return;
	f->finished = true;
	shutdown(f->ends.out, SHUT_WR);
	f->owner.finished(f->owner.arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct frames *f = arg;
	ssize_t n = read_some(f);

	(void)fd;
	(void)what;
	enter(f);
	if (n > 0) {
		f->read_bytes += (size_t)n;
		if (f->in.len == 0) {
			take_arrived(f, (size_t)n);
		} else {
			f->in.len += (size_t)n;
			take_kept(f);
		}
	} else if (n == 0 || errno != EAGAIN) {
		take_end(f);
	}
	leave(f);
}

/* There is something to write, room to write, or something to tell. */
static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct frames *f = arg;

	(void)fd;
	(void)what;
	enter(f);
	outbox_flush(&f->out);
	if (f->out.broken)
		take_end(f);
	tell_finished(f);
	leave(f);
}

struct frames *frames_new(struct event_base *base, struct frames_ends ends,
			  struct frames_limits limits, const struct frames_owner *owner)
{
	struct frames *f = mem_zalloc(sizeof(*f));

	f->ends = ends;
	f->owner = *owner;
	f->limits = limits;
	f->in = (struct buf)BUF_INIT;
	f->readable = event_new(base, ends.in, EV_READ | EV_PERSIST, on_readable, f);
	f->later = event_new(base, -1, 0, on_later, f);
	outbox_init(&f->out, base, ends.out, on_later, f);
	event_add(f->readable, NULL);
	return f;
}

void frames_set_limits(struct frames *f, struct frames_limits limits)
{
	f->limits = limits;
}

void frames_finish(struct frames *f)
{
	if (f->finishing)
		return;
	f->finishing = true;
	if (!f->in_callback) {
		clear(&f->in);
		f->searched = 0;
	}
	event_active(f->later, 0, 0); /* finished() comes from there, if nothing waits */
}

bool frames_speaks_newline(const struct frames *f)
{
	return f->newline_seen;
}

size_t frames_unsent_bytes(const struct frames *f)
{
	return outbox_unsent_bytes(&f->out);
}

uint64_t frames_read_bytes(const struct frames *f)
{
	return f->read_bytes;
}

uint64_t frames_written_bytes(const struct frames *f)
{
	return f->out.total;
}
