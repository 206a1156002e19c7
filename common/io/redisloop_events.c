#include "redisloop_events.h"

#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

struct redisloop_events {
	redisAsyncContext *ctx;
	struct event *readable;
	struct event *writable; /* also: it is connected, or cannot be */
	struct event *flush;
	bool is_flushing; /* hiredis writes, and says next whether that was all */
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct redisloop_events *e = arg;

	(void)fd;
	(void)what;
	redisAsyncHandleRead(e->ctx); /* may free e */
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct redisloop_events *e = arg;

	(void)fd;
	(void)what;
	e->is_flushing = true;
	redisAsyncHandleWrite(e->ctx); /* may free e */
}

static void add_read(void *arg)
{
	struct redisloop_events *e = arg;

	if (!event_pending(e->readable, EV_READ, NULL))
		event_add(e->readable, NULL);
}

static void del_read(void *arg)
{
	event_del(((struct redisloop_events *)arg)->readable);
}

static void add_write(void *arg)
{
	struct redisloop_events *e = arg;

	if (e->is_flushing)
		event_add(e->writable, NULL);
	else if (!event_pending(e->writable, EV_WRITE, NULL))
		event_active(e->flush, EV_WRITE, 0);
	e->is_flushing = false;
}

static void del_write(void *arg)
{
	struct redisloop_events *e = arg;

	event_del(e->writable);
	event_del(e->flush);
	e->is_flushing = false;
}

static void cleanup(void *arg)
{
	struct redisloop_events *e = arg;

	event_free(e->readable);
	event_free(e->writable);
	event_free(e->flush);
	free(e);
}

void redisloop_events_attach(redisAsyncContext *ctx, struct event_base *base)
{
	struct redisloop_events *e = mem_zalloc(sizeof(*e));

	e->ctx = ctx;
	e->readable = event_new(base, ctx->c.fd, EV_READ | EV_PERSIST, on_readable, e);
	e->writable = event_new(base, ctx->c.fd, EV_WRITE, on_writable, e);
	e->flush = event_new(base, -1, 0, on_writable, e);
	if (e->readable == NULL || e->writable == NULL || e->flush == NULL)
		abort();
	ctx->ev.addRead = add_read;
	ctx->ev.delRead = del_read;
	ctx->ev.addWrite = add_write;
	ctx->ev.delWrite = del_write;
	ctx->ev.cleanup = cleanup;
	ctx->ev.data = e;
	event_add(e->readable, NULL);
	event_add(e->writable, NULL);
}

void redisloop_events_flush(redisAsyncContext *ctx)
{
	struct redisloop_events *e = ctx->ev.data;

	if (event_pending(e->flush, EV_WRITE, NULL))
		on_writable(-1, EV_WRITE, e);
}
