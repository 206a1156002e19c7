#include "memory.h"

#include <event2/event.h>

#include "clock.h"
#include "kept.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "timer.h"

#define MIB	      (INT64_C(1) << 20)
#define LOOK_MS	      250
#define YOUNG_MS      5000 /* a lease that may still grow to its size */
#define MIN_FLOOR     (64 * MIB)
#define MAX_FLOOR     (512 * MIB)
#define FLOOR_PERCENT 8

static const int64_t needs[] = {
	[MEMORY_BROWSER] = 150 * MIB,
	[MEMORY_PAGE] = 48 * MIB,
	[MEMORY_LEASE] = 48 * MIB,
	[MEMORY_KEPT_LEASE] = 16 * MIB,
};

struct memory {
	struct pool *pool;
	struct event *timer;
	struct deadline next_look;
	struct memory_state state;
	bool told_unknown;
};

static int64_t floor_of(const struct memory *m)
{
	int64_t wish = m->pool->settings->pool_min_available_mb * MIB;
	int64_t share = m->state.now.total_bytes / 100 * FLOOR_PERCENT;

	return wish > 0 ? wish : MAX(MIN_FLOOR, MIN(share, MAX_FLOOR));
}

static void judge(struct memory *m)
{
	struct memory_state *s = &m->state;
	double max = (double)m->pool->settings->pool_max_pressure;
	double pressure = max > 0 ? s->now.pressure : 0;
	bool was_short = s->is_short;

	s->floor_bytes = floor_of(m);
	if (was_short)
		s->is_short = s->now.available_bytes < s->floor_bytes + s->floor_bytes / 4 ||
			      pressure > max / 2;
	else
		s->is_short = s->now.available_bytes < s->floor_bytes || pressure > max;
	if (s->is_short != was_short)
		log_notice(s->is_short ? "memory is short" : "memory is there again",
			   "available_mb=%lld floor_mb=%lld pressure=%.1f waiting=%u",
			   (long long)(s->now.available_bytes / MIB),
			   (long long)(s->floor_bytes / MIB), s->now.pressure,
			   waiting_count(m->pool->waiting));
}

/* What cannot be read for once stays as it was: somebody may be writing it. */
static void look(struct memory *m)
{
	struct error err;

	if (!deadline_is_over(m->next_look))
		return;
	m->next_look = deadline_in(LOOK_MS);
	if (sysmem_read(&sysmem_paths, &m->state.now, &err) == 0) {
		m->state.known = true;
	} else if (!m->told_unknown) {
		log_warning("the memory is not known", "reason=\"%s\"", err.text);
		m->told_unknown = true;
	}
	if (m->state.known)
		judge(m);
}

static int64_t reserved(const struct pool *p)
{
	int64_t bytes = p->context_count[CONTEXT_MAKING] * needs[MEMORY_PAGE];
	int64_t young = clock_now_ms() - YOUNG_MS;
	const struct pool_lease *l;

	if (!TAILQ_EMPTY(&p->browsers[BROWSER_STARTING]))
		bytes += needs[MEMORY_BROWSER];
	TAILQ_FOREACH_REVERSE(l, &p->lent, pool_lease_list, link)
	{
		if (l->lent_ms <= young)
			break;
		bytes += needs[l->sticky ? MEMORY_KEPT_LEASE : MEMORY_LEASE];
	}
	return bytes;
}

static void look_again(struct memory *m)
{
	if (!event_pending(m->timer, EV_TIMEOUT, NULL))
		timer_set(m->timer, LOOK_MS);
}

/* Nothing of ours grows: then it is all there for the next one. */
static bool is_first(const struct pool *p, int64_t reserved_bytes)
{
	return reserved_bytes == 0 && TAILQ_EMPTY(&p->lent);
}

bool memory_admits(struct memory *m, enum memory_need need)
{
	struct memory_state *s = &m->state;
	int64_t left;

	look(m);
	if (!s->known)
		return true;
	s->reserved_bytes = reserved(m->pool);
	left = s->now.available_bytes - s->reserved_bytes - needs[need];
	if (!s->is_short && (left >= s->floor_bytes || is_first(m->pool, s->reserved_bytes)))
		return true;
	s->denied = true;
	look_again(m);
	return false;
}

static void evict_one(struct pool *p)
{
	struct context *c;

	if (kept_drop_oldest(p))
		return;
	c = pool_warm_context(p);
	if (c != NULL)
		context_dispose(c);
}

static bool is_of_use(const struct memory *m)
{
	const struct pool *p = m->pool;

	return waiting_count(p->waiting) > 0 || pool_context_count(p) > 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct memory *m = arg;

	(void)fd;
	(void)what;
	look(m);
	if (m->state.is_short)
		evict_one(m->pool);
	else if (m->state.denied && waiting_count_ready(m->pool->waiting) > 0)
		kept_drop_oldest(m->pool);
	if (m->state.denied)
		pool_wake(m->pool);
	else if (is_of_use(m))
		look_again(m);
}

void memory_begin_turn(struct memory *m)
{
	m->state.denied = false;
	if (is_of_use(m))
		look_again(m);
}

struct memory_state memory_state(struct memory *m)
{
	look(m);
	m->state.reserved_bytes = reserved(m->pool);
	return m->state;
}

struct memory *memory_new(struct pool *p)
{
	struct memory *m = mem_zalloc(sizeof(*m));

	m->pool = p;
	m->timer = event_new(p->base, -1, 0, on_timer, m);
	return m;
}

void memory_free(struct memory *m)
{
	if (m == NULL)
		return;
	event_free(m->timer);
	free(m);
}
