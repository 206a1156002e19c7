#include "waiting.h"

#include <sys/time.h>

#include "clock.h"
#include "mem.h"
#include "pool_lease.h"

#define TELL_PAUSE_MS 200

static const int64_t head_start_ms[POOL_CLASS_COUNT] = {
	[POOL_INTERACTIVE] = 10000,
	[POOL_CHECK] = 5000,
	[POOL_DOCUMENT] = 0,
};

struct waiting {
	struct pool_lease_list leases;
	unsigned count;
	struct event *tell;
	struct deadline next_tell;
};

static void tell_positions(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *w = arg;
	struct pool_lease *l;
	unsigned position = 0;

	(void)fd;
	(void)what;
	w->next_tell = deadline_in(TELL_PAUSE_MS);
	TAILQ_FOREACH(l, &w->leases, link)
		pool_lease_tell_position(l, ++position);
}

static void tell_soon(struct waiting *w)
{
	struct timeval pause = { 0, deadline_left_ms(w->next_tell) * 1000 };

	if (!event_pending(w->tell, EV_TIMEOUT, NULL))
		event_add(w->tell, &pause);
}

struct waiting *waiting_new(struct event_base *base)
{
	struct waiting *w = mem_zalloc(sizeof(*w));

	TAILQ_INIT(&w->leases);
	w->tell = event_new(base, -1, 0, tell_positions, w);
	return w;
}

void waiting_free(struct waiting *w)
{
	event_free(w->tell);
	free(w);
}

void waiting_add(struct waiting *w, struct pool_lease *l)
{
	struct pool_lease *before;

	l->turn = l->asked_ms - head_start_ms[l->request.cls];
	/* From the end: most newcomers belong there. */
	TAILQ_FOREACH_REVERSE(before, &w->leases, pool_lease_list, link)
		if (before->turn <= l->turn)
			break;
	if (before != NULL)
		TAILQ_INSERT_AFTER(&w->leases, before, l, link);
	else
		TAILQ_INSERT_HEAD(&w->leases, l, link);
	w->count++;
	tell_soon(w);
}

void waiting_remove(struct waiting *w, struct pool_lease *l)
{
	TAILQ_REMOVE(&w->leases, l, link);
	w->count--;
	tell_soon(w);
}

unsigned waiting_count(const struct waiting *w)
{
	return w->count;
}

struct pool_lease *waiting_first(const struct waiting *w)
{
	return TAILQ_FIRST(&w->leases);
}

struct pool_lease *waiting_youngest(const struct waiting *w)
{
	struct pool_lease *l, *youngest = TAILQ_FIRST(&w->leases);

	TAILQ_FOREACH(l, &w->leases, link)
		if (l->id > youngest->id)
			youngest = l;
	return youngest;
}

struct pool_lease *waiting_next(const struct pool_lease *l)
{
	return TAILQ_NEXT(l, link);
}
