#include "watchdog.h"

#include <event2/event.h>
#include <signal.h>

#include "browser.h"
#include "clock.h"
#include "health.h"
#include "log.h"
#include "measures.h"
#include "mem.h"
#include "memory.h"
#include "page_process.h"
#include "pool.h"
#include "processes.h"
#include "timer.h"

#define MIB	       (INT64_C(1) << 20)
#define LOOK_MS	       250
#define LOOK_FAST_MS   50
#define WORTH_BYTES    (96 * MIB)
#define LARGEST_GAP_MS 1000 /* memory comes back a little after its process has gone */
#define MAX_BROWSER    (384 * MIB)
#define GROWS_BYTES    (8 * MIB) /* from one look to the next */
#define ASKED_TICKS    5	 /* less is no proof, … */
#define AS_MANY	       3	 /* nor is less than so many times as much as any other */
#define BUSY_PERCENT   25	 /* one that does less than this and is silent waits for something */
#define SILENT_MS      1500
#define LATE_MS	       200
#define CALM_MS	       500
#define CALM_FULL_MS   2000 /* while it is still half as full as it may be */
#define FRESH_MS       1000 /* a measurement says why its process died */

struct watchdog {
	struct pool *pool;
	struct event *timer;
	struct measures all;
	struct deadline next_largest;
};

static int64_t limit_of(const struct watchdog *w)
{
	return w->pool->caps.page_mb * MIB;
}

/* Those in which pages run. */
static const enum browser_state lively[] = { BROWSER_READY, BROWSER_DRAINING };

static void measure_all(struct watchdog *w, int64_t now)
{
	struct browser *b;

	processes_refresh(w->pool->processes, LOOK_MS / 2);
	for (size_t i = 0; i < ARRAY_LEN(lively); i++)
		TAILQ_FOREACH (b, &w->pool->browsers[lively[i]], link)
			measures_take(&w->all, w->pool->processes, b, now);
	measures_forget_old(&w->all, now);
}

static void kill_page(struct measure *m, enum pool_reason reason, const char *why)
{
	log_notice("page process killed", "browser_pid=%d pid=%d memory_mb=%lld detail=\"%s\"",
		   (int)m->group, (int)m->pid, (long long)(m->bytes / MIB), why);
	m->killed = true;
	m->reason = reason;
	kill(m->pid, SIGKILL);
}

static bool may_die(const struct measure *m)
{
	return m->type == PROCESS_RENDERER && !m->killed && !m->explained;
}

/* Pages that take too much themselves */

static struct measure *largest(struct watchdog *w)
{
	struct measure *best = NULL;

	for (size_t i = 0; i < w->all.count; i++) {
		struct measure *m = &w->all.list[i];

		if (may_die(m) && (best == NULL || m->bytes > best->bytes))
			best = m;
	}
	return best;
}

static void kill_over_limit(struct watchdog *w)
{
	for (size_t i = 0; i < w->all.count; i++)
		if (may_die(&w->all.list[i]) && w->all.list[i].bytes > limit_of(w))
			kill_page(&w->all.list[i], POOL_REASON_PAGE_OOM, "over its limit");
}

static void kill_largest_in_need(struct watchdog *w)
{
	struct memory_state s = memory_state(w->pool->memory);
	struct measure *m = largest(w);

	if (!s.known || s.now.available_bytes >= s.floor_bytes / 2 || m == NULL ||
	    m->bytes < WORTH_BYTES || !deadline_is_over(w->next_largest))
		return;
	w->next_largest = deadline_in(LARGEST_GAP_MS);
	kill_page(m, POOL_REASON_PAGE_OOM, "the machine has no memory left");
}

/* Pages that take too much of their browser */

/* What pages make their browser keep or do for them is not to be told apart there. But whose page it
 * is has asked the kernel for much more than any other: it sent what its browser has to do, or made
 * what that has to keep. One that has ended since is among them. NULL: it is not clear who. */
static struct measure *culprit(struct watchdog *w, const struct browser *b)
{
	struct measure *best = NULL;
	uint64_t second = 0;

	for (size_t i = 0; i < w->all.count; i++) {
		struct measure *m = &w->all.list[i];

		if (m->group != b->pid || m->type != PROCESS_RENDERER)
			continue;
		if (best != NULL)
			second = MAX(second, MIN(m->asked_ticks, best->asked_ticks));
		if (best == NULL || m->asked_ticks > best->asked_ticks)
			best = m;
	}
	if (best == NULL || best->asked_ticks < ASKED_TICKS || best->asked_ticks < AS_MANY * second)
		return NULL;
	return best;
}

static struct measure *busiest_of_nobody(struct watchdog *w, struct browser *b)
{
	struct measure *best = NULL;

	for (size_t i = 0; i < w->all.count; i++) {
		struct measure *m = &w->all.list[i];

		if (m->group == b->pid && may_die(m) &&
		    (best == NULL || m->busy_percent > best->busy_percent) &&
		    page_process_owner(b, m->pid, m->start_ticks) == NULL)
			best = m;
	}
	return best;
}

static int64_t full_bytes(const struct watchdog *w, const struct measure *own)
{
	return MIN(limit_of(w), MAX_BROWSER) + own->kept_bytes;
}

/* What a page left is nobody else's fault, however long its browser has to do with that. */
static void forget_dead(struct watchdog *w, const struct measure *own, int64_t since_ms)
{
	for (size_t i = 0; i < w->all.count; i++)
		if (w->all.list[i].group == own->group && w->all.list[i].at_ms <= since_ms)
			w->all.list[i].asked_ticks = 0;
}

static void look_whether_calm(struct watchdog *w, struct measure *own, bool is_late)
{
	int64_t calm_ms = own->bytes > full_bytes(w, own) / 2 ? CALM_FULL_MS : CALM_MS;

	own->calm_bytes = MIN(own->calm_bytes, own->bytes);
	if (is_late || own->bytes > own->calm_bytes + GROWS_BYTES) {
		own->calm_bytes = own->bytes;
		own->calm_ms = own->at_ms;
	}
	if (own->at_ms - own->calm_ms < calm_ms)
		return;
	if (own->is_recovering)
		own->kept_bytes = own->bytes;
	own->is_recovering = false;
	forget_dead(w, own, own->at_ms - calm_ms);
}

static void begin_recovery(struct measure *own)
{
	own->is_recovering = true;
	own->calm_bytes = own->bytes;
	own->calm_ms = own->at_ms;
}

void watchdog_kill(struct watchdog *w, struct browser *b, pid_t pid, const char *why)
{
	struct measure *m = measures_find(&w->all, pid), *own = measures_find(&w->all, b->pid);

	if (pid == 0) {
		processes_refresh(w->pool->processes, 0);
		measures_take(&w->all, w->pool->processes, b, clock_now_ms());
		m = busiest_of_nobody(w, b);
		own = measures_find(&w->all, b->pid);
	} else if (m == NULL) {
		kill(pid, SIGKILL); /* it is so young */
	}
	if (own != NULL)
		begin_recovery(own);
	if (m == NULL)
		return;
	kill_page(m, POOL_REASON_FLOOD, why);
	m->explained = true; /* its lease is told by who calls */
}

/* Whose page it is may be known, and Chromium too busy to tell. */
static void kill_for_browser(struct browser *b, struct measure *m, enum pool_reason reason,
			     const char *why)
{
	struct context *c = page_process_owner(b, m->pid, m->start_ticks);

	kill_page(m, reason, why);
	if (c == NULL)
		return;
	m->explained = true;
	context_end(c, reason, why);
}

static bool is_silent(const struct browser *b, const struct measure *own)
{
	return health_silent_ms(b->health) >= SILENT_MS && own->busy_percent >= BUSY_PERCENT;
}

static void relieve(struct watchdog *w, struct browser *b, struct measure *own)
{
	bool full = own->bytes > full_bytes(w, own);
	struct measure *m = full || is_silent(b, own) ? culprit(w, b) : NULL;

	if (m == NULL)
		return;
	begin_recovery(own);
	if (!may_die(m))
		return;
	if (full)
		kill_for_browser(b, m, POOL_REASON_PAGE_OOM,
				 "it asked for the most while its browser became too large");
	else
		kill_for_browser(b, m, POOL_REASON_FLOOD,
				 "it asked for the most while its browser had no time to answer");
}

static bool is_late(const struct browser *b)
{
	int64_t ping_ms = health_ping_ms(b->health);

	return ping_ms != 0 && clock_now_ms() - ping_ms >= LATE_MS;
}

static void end_backlog(struct context *c)
{
	static const char why[] = "what its page says piles up in its browser";

	page_process_kill(c, why);
	context_end(c, POOL_REASON_FLOOD, why);
}

static void relieve_browser(struct watchdog *w, struct browser *b)
{
	struct measure *own = measures_find(&w->all, b->pid);
	struct context *c;

	if (own == NULL)
		return;
	own->kept_bytes = MIN(own->kept_bytes, own->bytes);
	c = backlog_look(b, own->bytes);
	if (c != NULL)
		end_backlog(c);
	look_whether_calm(w, own, is_late(b));
	if (c == NULL && !own->is_recovering)
		relieve(w, b, own);
}

/* An end may move a draining browser to another list. */
static void relieve_browsers(struct watchdog *w)
{
	struct browser *b, *next;

	for (size_t i = 0; i < ARRAY_LEN(lively); i++)
		for (b = TAILQ_FIRST(&w->pool->browsers[lively[i]]); b != NULL; b = next) {
			next = TAILQ_NEXT(b, link);
			relieve_browser(w, b);
		}
}

/* The looks */

static bool is_in_motion(struct watchdog *w)
{
	for (size_t i = 0; i < w->all.count; i++) {
		const struct measure *m = &w->all.list[i];

		if ((may_die(m) && m->bytes > limit_of(w) / 4) || m->grown_bytes > GROWS_BYTES)
			return true;
	}
	return false;
}

static void look_again(struct watchdog *w)
{
	if (pool_context_count(w->pool) > 0 && !event_pending(w->timer, EV_TIMEOUT, NULL))
		timer_set(w->timer, is_in_motion(w) ? LOOK_FAST_MS : LOOK_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *w = arg;

	(void)fd;
	(void)what;
	measure_all(w, clock_now_ms());
	kill_over_limit(w);
	kill_largest_in_need(w);
	relieve_browsers(w);
	look_again(w);
}

void watchdog_wake(struct watchdog *w)
{
	look_again(w);
}

static bool is_gone(const struct measure *m)
{
	struct process_memory memory;

	return m->killed || process_read_memory(m->pid, &memory) < 0;
}

enum pool_reason watchdog_explain(struct watchdog *w, const struct browser *b)
{
	for (size_t i = 0; i < w->all.count; i++) {
		struct measure *m = &w->all.list[i];
		bool large =
			m->bytes >= limit_of(w) / 5 * 2 && clock_now_ms() - m->at_ms <= FRESH_MS;

		if (m->group != b->pid || m->type != PROCESS_RENDERER || m->explained ||
		    !(m->killed || large) || !is_gone(m))
			continue;
		m->explained = true;
		if (!m->killed)
			m->reason = POOL_REASON_PAGE_OOM;
		log_notice(m->reason == POOL_REASON_PAGE_OOM ? "page out of memory" : "page flood",
			   "browser=%u pid=%d memory_mb=%lld", b->id, (int)m->pid,
			   (long long)(m->bytes / MIB));
		return m->reason;
	}
	return POOL_REASON_PAGE_CRASHED;
}

struct watchdog *watchdog_new(struct pool *p)
{
	struct watchdog *w = mem_zalloc(sizeof(*w));

	w->pool = p;
	w->timer = event_new(p->base, -1, 0, on_timer, w);
	return w;
}

void watchdog_free(struct watchdog *w)
{
	if (w == NULL)
		return;
	event_free(w->timer);
	measures_done(&w->all);
	free(w);
}
