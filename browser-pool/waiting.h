/*
 * waiting.h - the queue of leases that have no page yet.
 *
 * Tenants take turns: within a class each page goes to the tenant that has waited longest for its
 * turn, and then that tenant stands behind all others, whether one more lease of it waits or five
 * hundred. Among the classes the longest wait wins, after a head start: an interactive request
 * overtakes a check that waits less than five seconds longer, and so on; as all grow older at the
 * same pace, nobody starves. When every tenant waits for one page, as our workers do, that is the
 * order of arrival with the head starts.
 *
 * A tenant that holds pool.client_max_pages waits outside the turns until it gives one back.
 *
 * Adding, removing and choosing cost the same however many wait. The order as a whole is sorted
 * only to be told: to clients when their place changes, but not more often than every 200 ms.
 */
#pragma once

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

struct waiting;
struct pool_lease;
struct settings;

struct waiting *waiting_new(struct event_base *base, const struct settings *s);
void waiting_free(struct waiting *w); /* must be empty */

/* How a lease comes and goes; its tenant's numbers are kept here. */
void waiting_add(struct waiting *w, struct pool_lease *l);
void waiting_remove(struct waiting *w, struct pool_lease *l);	 /* gone without a page */
void waiting_lend(struct waiting *w, struct pool_lease *l);	 /* gone with a page … */
void waiting_give_back(struct waiting *w, struct pool_lease *l); /* … and that is over */

void waiting_note_limits(struct waiting *w); /* pool.client_max_pages may have changed */

unsigned waiting_count(const struct waiting *w);
unsigned waiting_count_class(const struct waiting *w, int cls);
unsigned waiting_count_ready(const struct waiting *w); /* without those at their tenant's cap */

struct pool_lease *waiting_first(const struct waiting *w); /* whose turn it is, or NULL */
/* In order of arrival; NULL at the end. */
struct pool_lease *waiting_oldest(const struct waiting *w);
struct pool_lease *waiting_youngest(const struct waiting *w);
struct pool_lease *waiting_next(const struct pool_lease *l);
struct pool_lease *waiting_previous(const struct pool_lease *l);

/* All, in the order in which pages would be lent from now on if nobody came or went: as many as
 * waiting_count(); free() the array. */
struct pool_lease **waiting_in_order(const struct waiting *w);
