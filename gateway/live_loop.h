/*
 * live_loop.h - libuv's loop, on which libwebsockets runs, nested in libevent's. The one module that
 * sees libuv.
 *
 * libuv's epoll descriptor is one event of the event base, and its next timer another: they only end
 * the wait. The work is done by live_loop_before_wait(), which tells epoll what changed, runs what is
 * ready and arms the timer; live_loop_after_wait() refreshes libuv's clock.
 */
#pragma once

#include <event2/event.h>

struct live_loop;

struct live_loop *live_loop_new(struct event_base *base);
void live_loop_before_wait(struct live_loop *l);
void live_loop_after_wait(struct live_loop *l);
/* Runs until nothing is left to be done at once. */
void live_loop_drain(struct live_loop *l);
void live_loop_free(struct live_loop *l); /* drained, with no handle on it */

/* The uv_loop_t, for libwebsockets. */
void *live_loop_handle(struct live_loop *l);
