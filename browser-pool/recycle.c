#include "recycle.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "processes.h"

#define AGE_SPREAD_PERCENT 10
#define LATENCY_FACTOR	   4
#define LATENCY_EXTRA_MS   200
#define REFRESH_AGE_MS	   1000
#define LOOKS_TO_SETTLE	   10 /* the memory is asked for this often in pool.settle_s */
#define MIB		   (1024 * 1024)

static const char *const reason_names[RECYCLE_REASON_COUNT] = {
	[RECYCLE_LEASES] = "leases",
	[RECYCLE_AGE] = "age",
	[RECYCLE_MEMORY] = "memory",
	[RECYCLE_LATENCY] = "latency",
	[RECYCLE_EXECUTABLE] = "executable",
	[RECYCLE_OPERATOR] = "operator",
	[RECYCLE_CANARY] = "canary",
	[RECYCLE_ZYGOTE] = "zygote",
	[RECYCLE_STUCK] = "stuck",
	[RECYCLE_SURPLUS] = "surplus",
	[RECYCLE_IDLE] = "idle",
};

const char *recycle_reason_name(enum recycle_reason why)
{
	return reason_names[why];
}

void recycle_init(struct recycle *r, const char *executable)
{
	*r = (struct recycle){ .age_percent = 100 - AGE_SPREAD_PERCENT +
					      (int)arc4random_uniform(2 * AGE_SPREAD_PERCENT + 1) };
	if (stat(executable, &r->executable) == 0)
		r->executable_now = r->executable;
}

/* Why */

static void set_due(struct browser *b, enum recycle_reason why)
{
	if (b->recycle.due != RECYCLE_NONE)
		return;
	b->recycle.due = why;
	log_notice("browser is due", "browser=%u pid=%d reason=%s served=%u age_ms=%lld", b->id,
		   (int)b->pid, recycle_reason_name(why), b->served,
		   (long long)(clock_now_ms() - b->started_ms));
	pool_wake(b->pool);
}

void recycle_note_latency(struct browser *b, int64_t took_ms)
{
	struct trend *t = &b->recycle.latency_ms;

	trend_add(t, took_ms, MAX((LATENCY_FACTOR - 1) * t->usual, LATENCY_EXTRA_MS));
	if (trend_is_over(t))
		set_due(b, RECYCLE_LATENCY);
}

static bool is_weighed(enum process_type type)
{
	return type == PROCESS_BROWSER || type == PROCESS_NETWORK || type == PROCESS_GPU;
}

static int64_t private_bytes(struct processes *all, pid_t leader)
{
	const struct process *m = NULL;
	int64_t sum = 0;

	while ((m = processes_next(all, leader, m)) != NULL) {
		struct process_memory memory;

		if (is_weighed(m->type) && process_read_memory(m->pid, &memory) == 0)
			sum += memory.own_bytes;
	}
	return sum;
}

static void look_at_memory(struct browser *b, int64_t now)
{
	const struct settings *s = b->pool->settings;
	struct recycle *r = &b->recycle;

	if (now - b->started_ms < s->pool_settle_s * 1000 ||
	    now - r->weighed_ms < s->pool_settle_s * 1000 / LOOKS_TO_SETTLE)
		return;
	r->weighed_ms = now;
	trend_add(&r->memory_mb, private_bytes(b->pool->processes, b->pid) / MIB,
		  s->pool_recycle_growth_mb);
	if (trend_is_over(&r->memory_mb))
		set_due(b, RECYCLE_MEMORY);
}

/* Which of them it is the canary tells. */
static void look_at_zygotes(struct browser *b)
{
	if (!zygotes_look(&b->recycle.zygotes, b->pool->processes, b->pid))
		return;
	set_due(b, RECYCLE_ZYGOTE);
	canary_note_odd(b);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Twice the same, since an upgrade takes a while and puts more than one file there. */
static void look_at_executable(struct browser *b)
{
	struct recycle *r = &b->recycle;
	struct stat now;
	bool still;

	if (stat(b->pool->settings->pool_browser, &now) < 0)
		return;
	still = is_same_file(&now, &r->executable_now);
	r->executable_now = now;
	if (still && !is_same_file(&now, &r->executable))
		set_due(b, RECYCLE_EXECUTABLE);
}

void recycle_look(struct pool *p)
{
	int64_t now = clock_now_ms();
	struct browser *b;

	processes_refresh(p->processes, REFRESH_AGE_MS);
	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link) {
		int64_t limit_ms = p->settings->pool_recycle_age_s * 10 * b->recycle.age_percent;

		if (now - b->started_ms >= limit_ms)
			set_due(b, RECYCLE_AGE);
		look_at_memory(b, now);
		look_at_zygotes(b);
		look_at_executable(b);
	}
}

void recycle_all(struct pool *p)
{
	struct browser *b;

	log_notice("recycling all browsers", "browsers=%u", pool_browser_count(p));
	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		set_due(b, RECYCLE_OPERATOR);
}

/* When */

void recycle_note_leaving(struct browser *b, enum recycle_reason why)
{
	if (b->recycle.due == RECYCLE_NONE)
		b->recycle.due = why;
	b->recycle.leaving |= why != RECYCLE_SURPLUS && why != RECYCLE_IDLE;
}

static unsigned count_leaving(const struct pool *p)
{
	struct browser *b;
	unsigned n = 0;

	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_FOREACH (b, &p->browsers[state], link)
			n += b->recycle.leaving;
	return n;
}

unsigned recycle_extra(const struct pool *p)
{
	return MIN(count_leaving(p), 1);
}

static struct browser *begin_turn(struct pool *p)
{
	struct browser *b;

	if (count_leaving(p) > 0 || pool_browser_count(p) > p->caps.browsers)
		return NULL;
	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link) {
		if (b->recycle.due == RECYCLE_NONE)
			continue;
		b->recycle.leaving = true;
		b->recycle.newest = p->last_browser_id;
		return b;
	}
	return NULL;
}

static struct browser *find_leaving(const struct pool *p)
{
	struct browser *b;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (b->recycle.leaving)
			return b;
	return NULL;
}

static struct browser *find_successor(const struct pool *p, const struct browser *old)
{
	struct browser *b;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (b->id > old->recycle.newest)
			return b;
	return NULL;
}

/* One that nobody uses: the old browser's, or else one of the spare ones. */
static struct context *find_unlent(const struct pool *p, const struct browser *old)
{
	struct context *c = TAILQ_FIRST(&old->contexts[CONTEXT_WARM]);
	struct browser *b;

	if (c == NULL)
		c = TAILQ_FIRST(&old->contexts[CONTEXT_KEPT]);
	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (c == NULL)
			c = TAILQ_FIRST(&b->contexts[CONTEXT_WARM]);
	return c;
}

/* Within the number of pages: there may have to be room made for it. */
static void make_first_page(struct browser *successor, const struct browser *old)
{
	struct pool *p = successor->pool;
	struct context *unlent = find_unlent(p, old);

	if (!TAILQ_EMPTY(&successor->contexts[CONTEXT_MAKING]))
		return;
	if (pool_context_count(p) < p->caps.pages) {
		if (memory_admits(p->memory, MEMORY_PAGE))
			context_make(successor);
	} else if (unlent != NULL && p->context_count[CONTEXT_DISPOSING] == 0) {
		context_dispose(unlent);
	}
}

void recycle_decide(struct pool *p)
{
	struct browser *old, *successor, *b;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (b->served >= p->settings->pool_recycle_leases)
			set_due(b, RECYCLE_LEASES);
	old = find_leaving(p);
	if (old == NULL)
		old = begin_turn(p);
	if (old == NULL)
		return;
	successor = find_successor(p, old);
	if (successor == NULL)
		pool_start_browser(p);
	else if (successor->made_context)
		browser_drain(old, old->recycle.due);
	else
		make_first_page(successor, old);
}
