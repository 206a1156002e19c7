#include "pool.h"

#include <stdlib.h>

#include "canary.h"
#include "ahead.h"
#include "clock.h"
#include "idle.h"
#include "kept.h"
#include "log.h"
#include "mem.h"
#include "recycle.h"
#include "timer.h"
#include "usage.h"
#include "watchdog.h"

#define START_PAUSE_MIN_MS 100
#define START_PAUSE_MAX_MS 30000
#define RETRY_MIN_MS	   1000
#define RETRY_MAX_MS	   60000
#define FIRST_MEAN_MS	   3000
#define LAST_WORDS_MS	   20 /* for answers to be written before the loop ends */

void pool_wake(struct pool *p)
{
	event_active(p->decide, 0, 0);
}

static struct browser *emptiest_browser(struct pool *p)
{
	struct browser *b, *best = NULL;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (best == NULL || b->context_count < best->context_count)
			best = b;
	return best;
}

/* To stay. */
static int64_t count_ready(const struct pool *p)
{
	struct browser *b;
	int64_t n = 0;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		n += !b->recycle.leaving;
	return n;
}

void pool_note_limits(struct pool *p)
{
	pool_caps_measure(&p->caps, p->settings);
	while (count_ready(p) > p->caps.browsers)
		browser_drain(emptiest_browser(p), RECYCLE_SURPLUS);
	waiting_note_limits(p->waiting);
	idle_note_limits(p->idle);
	pool_wake(p);
}

unsigned pool_browser_count(const struct pool *p)
{
	struct browser *b;
	unsigned n = 0;

	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_FOREACH (b, &p->browsers[state], link)
			n++;
	return n;
}

unsigned pool_context_count(const struct pool *p)
{
	unsigned n = 0;

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		n += p->context_count[state];
	return n;
}

int64_t pool_retry_after_ms(const struct pool *p)
{
	int64_t ms = p->mean_lease_ms * (waiting_count(p->waiting) + 1) / p->caps.pages;

	return MAX(RETRY_MIN_MS, MIN(ms, RETRY_MAX_MS));
}

enum pool_reason pool_why_no_page(const struct pool *p)
{
	if (p->start_failures > 0)
		return p->last_failure;
	return memory_state(p->memory).denied ? POOL_REASON_MEMORY : POOL_REASON_WAIT_OVER;
}

/* 100 ms, 200 ms, … 30 s, of which a random half is taken off. */
static int64_t start_pause_ms(unsigned failures)
{
	int64_t ms = START_PAUSE_MIN_MS;

	while (--failures > 0 && ms < START_PAUSE_MAX_MS)
		ms *= 2;
	ms = MIN(ms, START_PAUSE_MAX_MS);
	return ms / 2 + (int64_t)arc4random_uniform((uint32_t)(ms / 2 + 1));
}

void pool_note_start_failed(struct pool *p, enum pool_reason reason)
{
	int64_t pause_ms = start_pause_ms(++p->start_failures);

	p->last_failure = reason;
	p->next_start = deadline_in(pause_ms);
	log_warning("browser start failed", "reason=%s failures=%u pause_ms=%lld path=%s",
		    pool_reason_name(reason), p->start_failures, (long long)pause_ms,
		    p->settings->pool_browser);
	pool_wake(p);
}

void pool_note_started(struct pool *p)
{
	p->start_failures = 0;
}

void pool_note_lease_over(struct pool *p, int64_t lasted_ms)
{
	ahead_note_lease_over(p->ahead);
	p->mean_lease_ms += (lasted_ms - p->mean_lease_ms) / 8;
}

/* Decisions */

void pool_start_browser(struct pool *p)
{
	struct error err;

	if (pool_browser_count(p) - recycle_extra(p) >= p->caps.browsers ||
	    !TAILQ_EMPTY(&p->browsers[BROWSER_STARTING]))
		return;
	if (!deadline_is_over(p->next_start)) {
		timer_set(p->start_timer, deadline_left_ms(p->next_start));
		return;
	}
	if (!memory_admits(p->memory, MEMORY_BROWSER))
		return;
	p->totals.browser_starts++;
	if (browser_start(p, &err) < 0) {
		log_error("no browser", "reason=\"%s\"", err.text);
		pool_note_start_failed(p, POOL_REASON_NO_BROWSER);
	}
}

int64_t pool_pages_of_one(const struct pool *p)
{
	return (p->caps.pages + p->caps.browsers - 1) / p->caps.browsers;
}

/* The emptiest browser that may have one more. */
static struct browser *browser_with_room(struct pool *p)
{
	struct browser *best = emptiest_browser(p);

	return best != NULL && best->context_count < pool_pages_of_one(p) ? best : NULL;
}

struct context *pool_warm_context(const struct pool *p)
{
	const struct browser *b;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		if (!TAILQ_EMPTY(&b->contexts[CONTEXT_WARM]))
			return TAILQ_FIRST(&b->contexts[CONTEXT_WARM]);
	return NULL;
}

/* The limit may have been lowered. */
static void drop_surplus_contexts(struct pool *p)
{
	while (pool_context_count(p) - p->context_count[CONTEXT_DISPOSING] > p->caps.pages) {
		struct context *c = pool_warm_context(p);

		if (c != NULL)
			context_dispose(c);
		else if (!kept_drop_oldest(p))
			return;
	}
}

static void lend_contexts(struct pool *p)
{
	struct pool_lease *l;
	struct context *c;

	kept_lend(p);
	while ((l = waiting_first(p->waiting)) != NULL && (c = pool_warm_context(p)) != NULL) {
		if (kept_is_coming(p, l->request.key))
			return; /* in a moment its own page is there, or there is none */
		if (!memory_admits(p->memory, MEMORY_LEASE))
			return;
		pool_lease_lend(l, c);
	}
}

/* Those who came last, when more of one client or of all wait than may. */
static void refuse_too_many(struct pool *p)
{
	struct pool_lease *l = waiting_youngest(p->waiting), *older;

	for (; l != NULL && l->id > p->weighed_lease_id; l = older) {
		older = waiting_previous(l);
		if (l->tenant->waiting > p->settings->pool_client_max_waiting)
			pool_lease_end(l, POOL_REASON_CLIENT_FULL,
				       "too many of this client wait already");
	}
	p->weighed_lease_id = p->last_lease_id;
	while (waiting_count(p->waiting) > p->settings->pool_max_waiting)
		pool_lease_end(waiting_youngest(p->waiting), POOL_REASON_QUEUE_FULL,
			       "too many wait already");
}

static void make_contexts(struct pool *p)
{
	int64_t wanted = ahead_wanted(p->ahead);
	int64_t room = p->caps.pages - pool_context_count(p);

	for (int64_t n = MIN(wanted, room); n > 0; n--) {
		struct browser *b = browser_with_room(p);

		if (b == NULL) {
			pool_start_browser(p);
			return;
		}
		if (!memory_admits(p->memory, MEMORY_PAGE))
			return;
		context_make(b);
	}
}

static void kill_browsers(struct pool *p)
{
	for (int state = 0; state < BROWSER_DYING; state++) {
		struct browser *b;

		while ((b = TAILQ_FIRST(&p->browsers[state])) != NULL)
			browser_kill(b, POOL_REASON_SHUTTING_DOWN, "the pool stops");
	}
}

static void go_on_stopping(struct pool *p)
{
	struct timeval soon = { 0, LAST_WORDS_MS * 1000 };

	if (!TAILQ_EMPTY(&p->lent))
		return;
	kill_browsers(p);
	if (pool_browser_count(p) == 0)
		event_base_loopexit(p->base, &soon);
}

static void decide(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;

	(void)fd;
	(void)what;
	if (p->stopping) {
		go_on_stopping(p);
		return;
	}
	memory_begin_turn(p->memory);
	watchdog_wake(p->watchdog);
	usage_wake(p->usage);
	idle_begin_turn(p->idle);
	drop_surplus_contexts(p);
	if (!p->paused)
		lend_contexts(p);
	refuse_too_many(p);
	recycle_decide(p);
	canary_decide(p);
	kept_make_room(p);
	make_contexts(p);
	priority_decide(p);
}

/* Stopping and recycling */

static void end_leases(struct pool *p)
{
	struct pool_lease *l;

	while ((l = TAILQ_FIRST(&p->lent)) != NULL)
		pool_lease_end(l, POOL_REASON_SHUTTING_DOWN, "the pool stops");
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_leases(arg);
}

void pool_stop(struct pool *p, int64_t patience_ms)
{
	struct pool_lease *l;

	if (patience_ms >= 0)
		log_notice("stopping", "leases=%u patience_ms=%lld", p->context_count[CONTEXT_LENT],
			   (long long)patience_ms);
	else
		log_notice("stopping when the last lease has ended", "leases=%u",
			   p->context_count[CONTEXT_LENT]);
	p->stopping = true;
	while ((l = waiting_oldest(p->waiting)) != NULL)
		pool_lease_end(l, POOL_REASON_SHUTTING_DOWN, "the pool is stopping");
	if (patience_ms >= 0)
		timer_set(p->stop_timer, patience_ms);
	pool_wake(p);
}

void pool_set_paused(struct pool *p, bool paused)
{
	log_notice(paused ? "paused" : "resumed", "leases=%u waiting=%u",
		   p->context_count[CONTEXT_LENT], waiting_count(p->waiting));
	p->paused = paused;
	pool_wake(p);
}

struct pool_lease *pool_find_lease(const struct pool *p, int64_t id)
{
	struct pool_lease *l;

	TAILQ_FOREACH (l, &p->lent, link)
		if (l->id == id)
			return l;
	for (l = waiting_oldest(p->waiting); l != NULL; l = waiting_next(l))
		if (l->id == id)
			return l;
	return NULL;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;

	(void)fd;
	(void)what;
	recycle_look(p);
	pool_wake(p);
}

struct pool *pool_new(struct event_base *base, const struct settings *s, struct rundir *dir)
{
	struct pool *p = mem_zalloc(sizeof(*p));

	p->base = base;
	p->settings = s;
	p->rundir = dir;
	p->defer = defer_new(base);
	p->waiting = waiting_new(base, s);
	p->tenants = tenants_new();
	p->memory = memory_new(p);
	p->watchdog = watchdog_new(p);
	p->usage = usage_new(p);
	p->idle = idle_new(p);
	p->processes = processes_new();
	p->mean_lease_ms = FIRST_MEAN_MS;
	p->started_ms = clock_now_ms();
	pool_caps_measure(&p->caps, p->settings);
	TAILQ_INIT(&p->lent);
	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_INIT(&p->browsers[state]);
	p->decide = event_new(base, -1, 0, decide, p);
	p->start_timer = event_new(base, -1, 0, decide, p);
	p->ahead = ahead_new(p);
	p->look_timer = event_new(base, -1, EV_PERSIST, on_look, p);
	timer_set(p->look_timer, POOL_LOOK_S * 1000);
	p->stop_timer = event_new(base, -1, 0, on_stop_timer, p);
	pool_wake(p);
	return p;
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	defer_free(p->defer);
	waiting_free(p->waiting);
	tenants_free(p->tenants);
	idle_free(p->idle);
	usage_free(p->usage);
	watchdog_free(p->watchdog);
	memory_free(p->memory);
	processes_free(p->processes);
	event_free(p->decide);
	event_free(p->start_timer);
	ahead_free(p->ahead);
	event_free(p->look_timer);
	event_free(p->stop_timer);
	free(p);
}
