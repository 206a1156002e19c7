#include "live_loop.h"

#include "mem.h" /* first: sys/param.h has a MIN of its own */

#include <stdlib.h>
#include <uv.h>

#define DRAIN_ROUNDS 1000

struct live_loop {
	uv_loop_t loop;
	struct event *backend; /* uv's epoll descriptor is readable */
	struct event *timer;   /* uv's next timer */
};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* only ends the wait: live_loop_before_wait() does the work */
}

struct live_loop *live_loop_new(struct event_base *base)
{
	struct live_loop *l = mem_zalloc(sizeof(*l));

	if (uv_loop_init(&l->loop) < 0)
		abort();
	l->backend =
		event_new(base, uv_backend_fd(&l->loop), EV_READ | EV_PERSIST, on_event, NULL);
	l->timer = evtimer_new(base, on_event, NULL);
	if (l->backend == NULL || l->timer == NULL)
		abort();
	event_add(l->backend, NULL);
	return l;
}

void live_loop_before_wait(struct live_loop *l)
{
	struct timeval tv;
	int ms;

	uv_run(&l->loop, UV_RUN_NOWAIT);
	ms = uv_backend_timeout(&l->loop);
	if (ms < 0) {
		event_del(l->timer);
		return;
	}
	tv = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(l->timer, &tv);
}

void live_loop_after_wait(struct live_loop *l)
{
	uv_update_time(&l->loop);
}

void live_loop_drain(struct live_loop *l)
{
	for (int i = 0; i < DRAIN_ROUNDS && uv_run(&l->loop, UV_RUN_NOWAIT) != 0; i++)
		;
}

void live_loop_free(struct live_loop *l)
{
	event_free(l->backend);
	event_free(l->timer);
	uv_loop_close(&l->loop);
	free(l);
}

void *live_loop_handle(struct live_loop *l)
{
	return &l->loop;
}
