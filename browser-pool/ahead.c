#include "ahead.h"

#include <event2/event.h>
#include <sched.h>

#include "clock.h"
#include "idle.h"
#include "mem.h"
#include "pool.h"
#include "timer.h"

#define LEASES_PER_PROCESSOR 2
#define TURNOVER_MS	     250 /* after an end leases come and go; a page is made in less */
#define REFILL_PAUSE_MS	     60

struct ahead {
	struct pool *pool;
	unsigned busy_leases; /* so many keep the processors busy */
	struct deadline turnover, refill;
	struct event *timer;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ahead *a = arg;

	(void)fd;
	(void)what;
	pool_wake(a->pool);
}

static unsigned processor_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

struct ahead *ahead_new(struct pool *p)
{
	struct ahead *a = mem_zalloc(sizeof(*a));

	a->pool = p;
	a->busy_leases = LEASES_PER_PROCESSOR * processor_count();
	a->timer = event_new(p->base, -1, 0, on_timer, a);
	return a;
}

void ahead_free(struct ahead *a)
{
	if (a == NULL)
		return;
	event_free(a->timer);
	free(a);
}

void ahead_note_lease_begun(struct ahead *a)
{
	a->refill = deadline_in(REFILL_PAUSE_MS);
}

void ahead_note_lease_over(struct ahead *a)
{
	a->turnover = deadline_in(TURNOVER_MS);
}

static int64_t spare(const struct ahead *a)
{
	const struct pool *p = a->pool;
	unsigned leases = p->context_count[CONTEXT_LENT] + waiting_count_ready(p->waiting);

	if (idle_is_asleep(p->idle))
		return 0;
	return leases < a->busy_leases || !deadline_is_over(a->turnover) ? POOL_WARM_CONTEXTS : 1;
}

static bool is_too_early(const struct ahead *a)
{
	const struct pool *p = a->pool;

	return waiting_count_ready(p->waiting) == 0 && p->context_count[CONTEXT_WARM] > 0 &&
	       !deadline_is_over(a->refill);
}

int64_t ahead_wanted(struct ahead *a)
{
	const struct pool *p = a->pool;
	int64_t wanted = (int64_t)waiting_count_ready(p->waiting) + spare(a) -
			 p->context_count[CONTEXT_MAKING] - p->context_count[CONTEXT_WARM];
	int64_t pause_ms = deadline_left_ms(a->refill);

	if (wanted <= 0 || !is_too_early(a))
		return wanted;
	timer_set(a->timer, pause_ms);
	return 0;
}
