/*
 * redisloop_events.h - hiredis's connection on a libevent base.
 *
 * What a turn of the loop sends goes out in one write at the end of that turn, without asking first
 * whether the socket takes it; only the rest of what it did not take waits for that. (hiredis's own
 * adapter waits each time: a turn more, and three system calls.)
 *
 * Belongs to the context from redisloop_events_attach() on, which frees it.
 */
#pragma once

#include <event2/event.h>
#include <hiredis/async.h>

void redisloop_events_attach(redisAsyncContext *ctx, struct event_base *base);
/* The turn's write now, if it has one. May free the context. */
void redisloop_events_flush(redisAsyncContext *ctx);
