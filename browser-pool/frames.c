#include "frames.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>
#include <sys/socket.h>

#include "mem.h"

#define READ_BYTES (256 * 1024)

struct frames {
	struct bufferevent *bev;
	struct frames_owner owner;
	struct frames_limits limits;
	size_t searched; /* bytes of the input that hold no end mark */
	bool skipping;	 /* inside a message over the limit: tail holds its last bytes */
	char tail[FRAMES_TAIL_BYTES];
	size_t tail_len;
	bool newline_seen; /* the peer is a person */
	bool finishing, finished, ended, broken;
	bool in_callback, freed;
	uint64_t read_bytes, written_bytes;
};

static struct evbuffer *input_of(struct frames *f)
{
	return bufferevent_get_input(f->bev);
}

static void release(struct frames *f)
{
	bufferevent_free(f->bev);
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
	bufferevent_disable(f->bev, EV_READ | EV_WRITE);
	if (!f->in_callback)
		release(f);
}

/* Where the next end mark stands behind what was searched already; -1 = not yet here. */
static ssize_t find_end(struct frames *f)
{
	struct evbuffer *in = input_of(f);
	struct evbuffer_ptr from, at, line;

	if (evbuffer_ptr_set(in, &from, f->searched, EVBUFFER_PTR_SET) < 0)
		return -1;
	at = evbuffer_search(in, "", 1, &from);
	if (f->limits.newline) {
		line = evbuffer_search(in, "\n", 1, &from);
		if (line.pos >= 0 && (at.pos < 0 || line.pos < at.pos)) {
			f->newline_seen = true;
			return line.pos;
		}
	}
	if (at.pos < 0)
		f->searched = evbuffer_get_length(in);
	return at.pos;
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

/* Drops len bytes of a message over the limit, remembering the last ones. */
static void skip_bytes(struct frames *f, size_t len)
{
	struct evbuffer *in = input_of(f);
	size_t keep = MIN(len, sizeof(f->tail));
	char last[FRAMES_TAIL_BYTES];

	evbuffer_drain(in, len - keep);
	evbuffer_remove(in, last, keep);
	keep_tail(f, last, keep);
	f->searched = 0;
}

static void tell_too_large(struct frames *f)
{
	f->owner.too_large(f->owner.arg, f->tail, f->tail_len);
	f->tail_len = 0;
}

/* A message over the limit: all of it (its end mark follows), or what is here of it. */
static void take_large(struct frames *f, size_t len, bool is_end)
{
	bool tell = f->limits.wait_for_end ? is_end : !f->skipping;

	f->skipping = !is_end;
	skip_bytes(f, len);
	if (is_end)
		evbuffer_drain(input_of(f), 1);
	if (tell)
		tell_too_large(f);
}

static void take_message(struct frames *f, size_t len)
{
	struct evbuffer *in = input_of(f);
	char *text = (char *)evbuffer_pullup(in, (ev_ssize_t)len + 1);

	f->searched = 0;
	text[len] = '\0';
	f->owner.message(f->owner.arg, text, len);
	/* The owner may have freed us or told us to finish; the buffer is still ours. */
	evbuffer_drain(in, len + 1);
}

static void swallow(struct frames *f)
{
	evbuffer_drain(input_of(f), evbuffer_get_length(input_of(f)));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct frames *f = arg;

	(void)bev;
	enter(f);
	while (!f->freed && !f->finishing) {
		ssize_t end = find_end(f);
		size_t len = end >= 0 ? (size_t)end : evbuffer_get_length(input_of(f));

		if (f->skipping || len > f->limits.max_message)
			take_large(f, len, end >= 0);
		else if (end >= 0)
			take_message(f, len);
		if (end < 0)
			break;
	}
	if (!f->freed && f->finishing)
		swallow(f);
	leave(f);
}

static void tell_finished(struct frames *f)
{
	if (!f->finishing || f->finished || f->freed)
		return;
	f->finished = true;
	shutdown(bufferevent_getfd(f->bev), SHUT_WR);
	f->owner.finished(f->owner.arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct frames *f = arg;

	(void)bev;
	enter(f);
	if (f->broken || frames_unsent_bytes(f) == 0)
		tell_finished(f);
	leave(f);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct frames *f = arg;

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	enter(f);
	if (what & BEV_EVENT_ERROR)
		f->broken = true;
	if (!f->ended) {
		f->ended = true;
		f->owner.ended(f->owner.arg);
	}
	if (f->broken)
		tell_finished(f);
	leave(f);
}

static void count_read(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct frames *f = arg;

	(void)buf;
	f->read_bytes += info->n_added;
}

static void count_written(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct frames *f = arg;

	(void)buf;
	f->written_bytes += info->n_deleted;
}

struct frames *frames_new(struct event_base *base, int fd, struct frames_limits limits,
			  const struct frames_owner *owner)
{
	struct frames *f = mem_zalloc(sizeof(*f));

	f->owner = *owner;
	f->limits = limits;
	f->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(f->bev, on_read, on_written, on_event, f);
	bufferevent_set_max_single_read(f->bev, READ_BYTES);
	evbuffer_add_cb(input_of(f), count_read, f);
	evbuffer_add_cb(bufferevent_get_output(f->bev), count_written, f);
	bufferevent_enable(f->bev, EV_READ | EV_WRITE);
	return f;
}

void frames_set_limits(struct frames *f, struct frames_limits limits)
{
	f->limits = limits;
}

static void send_end(struct frames *f)
{
	bufferevent_write(f->bev, f->newline_seen ? "\n" : "", 1);
}

void frames_send(struct frames *f, const char *text, size_t len)
{
	if (f->broken || f->finishing)
		return;
	bufferevent_write(f->bev, text, len);
	send_end(f);
}

void frames_send_pieces(struct frames *f, const struct cdp_pieces *pieces)
{
	if (f->broken || f->finishing)
		return;
	for (size_t i = 0; i < pieces->count; i++)
		bufferevent_write(f->bev, pieces->at[i].data, pieces->at[i].len);
	send_end(f);
}

void frames_finish(struct frames *f)
{
	if (f->finishing)
		return;
	f->finishing = true;
	if (!f->in_callback)
		swallow(f);
	/* on_written() comes when the output is empty; ask for it in case it is so already. */
	bufferevent_trigger(f->bev, EV_WRITE,
			    BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

bool frames_speaks_newline(const struct frames *f)
{
	return f->newline_seen;
}

size_t frames_unsent_bytes(const struct frames *f)
{
	return evbuffer_get_length(bufferevent_get_output(f->bev));
}

uint64_t frames_read_bytes(const struct frames *f)
{
	return f->read_bytes;
}

uint64_t frames_written_bytes(const struct frames *f)
{
	return f->written_bytes;
}
