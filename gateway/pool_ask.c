#include "pool_ask.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "mem.h"

#define ANSWER_MAX (4 * 1024 * 1024)
#define IN_FLIGHT  16

struct ask {
	LIST_ENTRY(ask) link;
	struct bufferevent *bev;
	struct event *deadline;
	pool_ask_fn *fn;
	void *arg;
};

static LIST_HEAD(, ask) asks = LIST_HEAD_INITIALIZER(asks);
static size_t ask_count;
static bool closed;

static void ask_end(struct ask *a, json_t *status, const char *why)
{
	LIST_REMOVE(a, link);
	ask_count--;
	bufferevent_free(a->bev);
	event_free(a->deadline);
	a->fn(status, why, a->arg);
	json_decref(status);
	free(a);
}

/* The pool closes behind its one answer, which ends with NUL or a line end. */
static void ask_answered(struct ask *a)
{
	struct evbuffer *in = bufferevent_get_input(a->bev);
	size_t len = evbuffer_get_length(in);
	const char *text = len == 0 ? NULL : (const char *)evbuffer_pullup(in, -1);
	json_t *status;

	while (len > 0 && (text[len - 1] == '\0' || text[len - 1] == '\n'))
		len--;
	status = len == 0 ? NULL : json_loadb(text, len, 0, NULL);
	if (json_is_object(status)) {
		ask_end(a, status, "");
		return;
	}
	json_decref(status);
	ask_end(a, NULL, "no status in its answer");
}

static void on_read(struct bufferevent *bev, void *arg)
{
	if (evbuffer_get_length(bufferevent_get_input(bev)) > ANSWER_MAX)
		ask_end(arg, NULL, "its answer is too long");
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	int e = errno;

	(void)bev;
	if (what & BEV_EVENT_EOF)
		ask_answered(arg);
	else if (what & BEV_EVENT_ERROR)
		ask_end(arg, NULL, strerror(e));
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ask_end(arg, NULL, "no answer in time");
}

/* A Unix socket connects at once or never: a full backlog is EAGAIN, and no reason to wait. */
static int connect_pool(const char *path, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, e;

	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, -ENAMETOOLONG, "pool.socket is too long");
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	e = -errno;
	if (fd >= 0)
		evutil_closesocket(fd);
	return error_set(err, e, "%s", strerror(-e));
}

int pool_ask(struct gateway *g, pool_ask_fn *fn, void *arg, struct error *err)
{
	static const char question[] = "{\"op\":\"status\"}"; /* its NUL ends it */
	struct timeval limit = { POOL_ASK_MS / 1000, POOL_ASK_MS % 1000 * 1000 };
	struct ask *a;
	int fd;

	if (closed || ask_count >= IN_FLIGHT)
		return error_set(err, -EAGAIN, "too many ask already");
	fd = connect_pool(g->settings->pool_socket, err);
	if (fd < 0)
		return fd;
	a = mem_zalloc(sizeof(*a));
	a->fn = fn;
	a->arg = arg;
	a->bev = bufferevent_socket_new(g->base, fd, BEV_OPT_CLOSE_ON_FREE);
	a->deadline = evtimer_new(g->base, on_deadline, a);
	if (a->bev == NULL || a->deadline == NULL)
		abort();
	LIST_INSERT_HEAD(&asks, a, link);
	ask_count++;
	bufferevent_setcb(a->bev, on_read, NULL, on_event, a);
	bufferevent_enable(a->bev, EV_READ | EV_WRITE);
	bufferevent_write(a->bev, question, sizeof(question));
	event_add(a->deadline, &limit);
	return 0;
}

void pool_ask_end_all(struct gateway *g)
{
	struct ask *a;

	(void)g;
	closed = true;
	while ((a = LIST_FIRST(&asks)) != NULL)
		ask_end(a, NULL, "the gateway stops");
}
