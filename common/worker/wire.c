#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "mem.h"

#define TICK_MS	   500
#define READ_BYTES (64 * 1024)

void wire_open(struct wire *w, int fd, size_t max_message, wire_tick_fn *tick, void *tick_arg)
{
	*w = (struct wire){ .fd = fd,
			    .tick = tick,
			    .tick_arg = tick_arg,
			    .max_message = max_message,
			    .in = BUF_INIT };
}

void wire_close(struct wire *w)
{
	fd_close(&w->fd);
	buf_wipe(&w->in);
}

static int tick_if_due(struct wire *w, struct error *err)
{
	int64_t now = clock_now_ms();

	if (w->tick == NULL || now < w->next_tick_ms)
		return 0;
	w->next_tick_ms = now + TICK_MS;
	if (w->tick(w->tick_arg) != 0)
		return error_set(err, -ECANCELED, "cancelled");
	return 0;
}

/* 0 when the socket is ready for events. */
static int wait_socket(struct wire *w, short events, struct deadline deadline, struct error *err)
{
	for (;;) {
		int r = tick_if_due(w, err);

		if (r < 0)
			return r;
		r = fd_wait(w->fd, events, deadline_min(deadline, deadline_in(TICK_MS)));
		if (r < 0)
			return error_set(err, r, "socket: %s", strerror(-r));
		if (r > 0)
			return 0;
		if (deadline_is_over(deadline))
			return error_set(err, -ETIMEDOUT, "no answer in time");
	}
}

static int broken(struct wire *w, int code, const char *why, struct error *err)
{
	w->broken = true;
	return error_set(err, code, "%s", why);
}

int wire_send(struct wire *w, const char *text, size_t len, struct deadline deadline,
	      struct error *err)
{
	size_t sent = 0;

	if (w->broken)
		return broken(w, -EPIPE, "the connection is broken", err);
	while (sent < len + 1) {
		ssize_t n = send(w->fd, text + sent, len + 1 - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		int r = 0;

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return broken(w, -errno, strerror(errno), err);
		if (n < 0)
			r = wait_socket(w, POLLOUT, deadline, err);
		if (r < 0) {
			w->broken = sent > 0;
			return r;
		}
		sent += (size_t)MAX(n, 0);
	}
	return 0;
}

static int read_more(struct wire *w, struct deadline deadline, struct error *err)
{
	int r = wait_socket(w, POLLIN, deadline, err);
	ssize_t n;

	if (r < 0)
		return r;
	buf_reserve(&w->in, READ_BYTES);
	n = recv(w->fd, w->in.data + w->in.len, READ_BYTES, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return broken(w, -EPIPE, "the peer closed the connection", err);
	if (n > 0)
		w->in.len += (size_t)n;
	return 0;
}

int wire_read(struct wire *w, struct deadline deadline, const char **text, size_t *len,
	      struct error *err)
{
	int r = w->broken ? broken(w, -EPIPE, "the connection is broken", err) : 0;

	buf_drop(&w->in, w->taken);
	w->taken = w->searched = 0;
	while (r == 0) {
		const char *from = w->in.data + w->searched;
		const char *end = memchr(from, '\0', w->in.len - w->searched);

		if (end != NULL) {
			*text = w->in.data;
			*len = (size_t)(end - w->in.data);
			w->taken = *len + 1;
			return 0;
		}
		w->searched = w->in.len;
		if (w->in.len > w->max_message)
			return broken(w, -EMSGSIZE, "a message over its limit", err);
		r = read_more(w, deadline, err);
	}
	return r;
}
