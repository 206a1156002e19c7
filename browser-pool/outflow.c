#include "outflow.h"

#include "client.h"
#include "clock.h"
#include "mem.h"
#include "pool.h"
#include "timer.h"

#define MIB		  (1024 * 1024)
#define SLOW_BYTES	  (16 * MIB) /* that wait for the client */
#define SLOW_LOOK_MS	  2000
#define LITTLE_BYTES	  (4 * MIB)
#define MAX_EVENTS_UNREAD (32 * MIB)
#define MAX_EVENTS_OVER	  (32 * MIB)
#define EVENT_COST	  1024 /* bytes that any event counts as, beside its own */
#define EVENTS_PER_MS	  (8 * MIB / 1000)

static size_t unread_bytes(const struct outflow *o)
{
	return client_unsent_bytes(o->lease->client);
}

static void look_later(struct outflow *o)
{
	o->written_before = client_written_bytes(o->lease->client);
	timer_set(o->timer, SLOW_LOOK_MS);
}

bool outflow_is_slow(const struct outflow *o)
{
	return unread_bytes(o) > SLOW_BYTES;
}

void outflow_watch(struct outflow *o)
{
	if (outflow_is_slow(o) && !event_pending(o->timer, EV_TIMEOUT, NULL))
		look_later(o);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct outflow *o = arg;

	(void)fd;
	(void)what;
	if (!outflow_is_slow(o))
		return;
	if (client_written_bytes(o->lease->client) == o->written_before)
		pool_lease_end(o->lease, POOL_REASON_SLOW_CONSUMER, "the client does not read");
	else
		look_later(o);
}

/* A single message may be larger than all that is allowed: what came before it counts. */
static bool is_flood(struct outflow *o, size_t bytes)
{
	int64_t now = clock_now_ms();
	bool over;

	o->events_over -= MIN((now - o->counted_ms) * EVENTS_PER_MS, o->events_over);
	o->counted_ms = now;
	over = o->events_over > MAX_EVENTS_OVER;
	o->events_over += (int64_t)bytes + EVENT_COST;
	return over;
}

/* Who has read nearly all begins anew. */
static bool is_too_much(struct outflow *o, bool is_event, size_t bytes, size_t unread)
{
	if (unread < LITTLE_BYTES)
		o->events_unread = 0;
	if (is_event)
		o->events_unread += bytes;
	return o->events_unread > MAX_EVENTS_UNREAD ||
	       (unread > SLOW_BYTES && unread + bytes > POOL_MAX_CDP_OUT);
}

void outflow_mark(struct outflow *o)
{
	o->marked = o->said;
}

uint64_t outflow_since_mark(const struct outflow *o)
{
	return o->said - o->marked;
}

bool outflow_admits(struct outflow *o, bool is_event, size_t bytes)
{
	bool flood = is_event && is_flood(o, bytes);

	if (is_event)
		o->said += bytes;
	if (is_too_much(o, is_event, bytes, unread_bytes(o)))
		pool_lease_end(o->lease, POOL_REASON_SLOW_CONSUMER,
			       "too much waits for the client");
	else if (flood)
		pool_lease_end(o->lease, POOL_REASON_FLOOD, "the page says more than can be read");
	else
		return true;
	return false;
}

void outflow_init(struct outflow *o, struct pool_lease *l)
{
	*o = (struct outflow){ .lease = l };
	o->timer = event_new(l->pool->base, -1, 0, on_timer, o);
}

void outflow_stop(struct outflow *o)
{
	event_del(o->timer);
}

void outflow_done(struct outflow *o)
{
	event_free(o->timer);
}
