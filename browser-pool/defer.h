/*
 * defer.h - work put off until the present callback has returned.
 *
 * A callback never frees the object that it was called for: it hands the object to defer_call(),
 * and the loop frees it before it waits for anything again. Calls run in the order they were given;
 * one given while they run still runs in the same turn.
 */
#pragma once

#include <event2/event.h>

struct defer;

struct defer *defer_new(struct event_base *base);
void defer_free(struct defer *d); /* runs what is left first */

void defer_call(struct defer *d, void (*fn)(void *arg), void *arg);
