#include "idle.h"

#include <event2/event.h>

#include "browser.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

struct idle {
	struct pool *pool;
	struct event *timer;
	bool asleep;
	struct event *surplus_timer;
	bool surplus_is_due;
};

bool idle_is_needed(const struct pool *p)
{
	return waiting_count(p->waiting) > 0 || p->context_count[CONTEXT_LENT] > 0 ||
	       p->context_count[CONTEXT_KEEPING] > 0 || p->context_count[CONTEXT_KEPT] > 0;
}

bool idle_is_asleep(const struct idle *i)
{
	return i->asleep;
}

/* One browser more than all pages need, while none is coming or going. */
static bool has_surplus(const struct pool *p)
{
	const unsigned *count = p->context_count;
	int64_t pages = (int64_t)count[CONTEXT_LENT] + count[CONTEXT_KEEPING] +
			count[CONTEXT_KEPT] + waiting_count_ready(p->waiting) + POOL_WARM_CONTEXTS;
	const struct browser *b;
	int64_t ready = 0;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		ready++;
	return ready > 1 && ready == pool_browser_count(p) && recycle_extra(p) == 0 &&
	       pages <= (ready - 1) * pool_pages_of_one(p);
}

/* The one with the fewest pages among those that lend none; NULL. */
static struct browser *find_unlent(const struct pool *p)
{
	struct browser *b, *best = NULL;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (TAILQ_EMPTY(&b->contexts[CONTEXT_LENT]) &&
		    (best == NULL || b->context_count < best->context_count))
			best = b;
	return best;
}

static void end_surplus(struct idle *i, struct timeval pause)
{
	struct browser *b;

	if (pause.tv_sec == 0 || !has_surplus(i->pool)) {
		event_del(i->surplus_timer);
		i->surplus_is_due = false;
	} else if (!i->surplus_is_due) {
		if (!event_pending(i->surplus_timer, EV_TIMEOUT, NULL))
			event_add(i->surplus_timer, &pause);
	} else if ((b = find_unlent(i->pool)) != NULL) {
		i->surplus_is_due = false;
		browser_drain(b, RECYCLE_IDLE);
	}
}

static void on_surplus_timer(evutil_socket_t fd, short what, void *arg)
{
	struct idle *i = arg;

	(void)fd;
	(void)what;
	i->surplus_is_due = true;
	pool_wake(i->pool);
}

void idle_begin_turn(struct idle *i)
{
	struct timeval pause = { i->pool->settings->pool_idle_s, 0 };

	end_surplus(i, pause);
	if (pause.tv_sec == 0 || idle_is_needed(i->pool)) {
		event_del(i->timer);
		i->asleep = false;
	} else if (!i->asleep && !event_pending(i->timer, EV_TIMEOUT, NULL)) {
		event_add(i->timer, &pause);
	}
}

void idle_note_limits(struct idle *i)
{
	event_del(i->timer);
	event_del(i->surplus_timer);
	idle_begin_turn(i);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const enum browser_state lively[] = { BROWSER_STARTING, BROWSER_READY };
	struct idle *i = arg;
	struct browser *b;

	(void)fd;
	(void)what;
	log_notice("idle", "browsers=%u", pool_browser_count(i->pool));
	i->asleep = true;
	for (size_t state = 0; state < ARRAY_LEN(lively); state++)
		while ((b = TAILQ_FIRST(&i->pool->browsers[lively[state]])) != NULL)
			browser_drain(b, RECYCLE_IDLE);
}

struct idle *idle_new(struct pool *p)
{
	struct idle *i = mem_zalloc(sizeof(*i));

	i->pool = p;
	i->timer = event_new(p->base, -1, 0, on_timer, i);
	i->surplus_timer = event_new(p->base, -1, 0, on_surplus_timer, i);
	return i;
}

void idle_free(struct idle *i)
{
	if (i == NULL)
		return;
	event_free(i->timer);
	event_free(i->surplus_timer);
	free(i);
}
