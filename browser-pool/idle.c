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

void idle_begin_turn(struct idle *i)
{
	struct timeval pause = { i->pool->settings->pool_idle_s, 0 };

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
	return i;
}

void idle_free(struct idle *i)
{
	if (i == NULL)
		return;
	event_free(i->timer);
	free(i);
}
