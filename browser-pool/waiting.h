/*
 * waiting.h - the queue of leases that have no page yet.
 *
 * One list in order of turn: the moment of the question, minus a head start by class. An
 * interactive request overtakes a check that came less than five seconds before it, and so on; as
 * all grow older at the same pace, the order of two waiters never changes and nobody starves.
 * Positions are told when they change, but not more often than every 200 ms.
 */
#pragma once

#include <event2/event.h>

struct waiting;
struct pool_lease;

struct waiting *waiting_new(struct event_base *base);
void waiting_free(struct waiting *w); /* must be empty */

void waiting_add(struct waiting *w, struct pool_lease *l);
void waiting_remove(struct waiting *w, struct pool_lease *l);

unsigned waiting_count(const struct waiting *w);
struct pool_lease *waiting_first(const struct waiting *w); /* NULL when empty */
struct pool_lease *waiting_youngest(const struct waiting *w); /* who asked last */
struct pool_lease *waiting_next(const struct pool_lease *l);
