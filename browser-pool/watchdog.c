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
#define BUSY_PERCENT   25	 /* less is not the work of one that fills a browser */
#define GUESS_GAP_MS   3000	 /* what the dead one left in its browser takes longer */
#define SILENT_MS      1500
#define LEFT_BYTES     (32 * MIB)
#define FRESH_BYTES    (64 * MIB)  /* a second; less does not fill a browser soon */
#define LAST_BYTES     (128 * MIB) /* half of what the kernel gives above a page's limit */

struct watchdog {
	struct pool *pool;
	struct event *timer;
	struct measures all;
	struct deadline next_largest, next_guess;
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

typedef int64_t weigh_fn(struct browser *b, const struct measure *m);

static struct measure *heaviest(struct watchdog *w, struct browser *b, weigh_fn *weigh)
{
	struct measure *best = NULL;
	int64_t most = -1;

	for (size_t i = 0; i < w->all.count; i++) {
		struct measure *m = &w->all.list[i];
		int64_t weight = m->group == b->pid && may_die(m) ? weigh(b, m) : -1;

		if (weight > most) {
			most = weight;
			best = m;
		}
	}
	return best;
}

static int64_t weigh_work(struct browser *b, const struct measure *m)
{
	(void)b;
	return m->busy_percent;
}

static int64_t weigh_work_of_nobody(struct browser *b, const struct measure *m)
{
	return page_process_owner(b, m->pid, m->start_ticks) == NULL ? m->busy_percent : -1;
}

static int64_t weigh_fresh(struct browser *b, const struct measure *m)
{
	(void)b;
	return m->fresh_bytes;
}

void watchdog_kill(struct watchdog *w, struct browser *b, pid_t pid, const char *why)
{
	struct measure *m = measures_find(&w->all, pid), *own;

	if (pid == 0) {
		processes_refresh(w->pool->processes, 0);
		measures_take(&w->all, w->pool->processes, b, clock_now_ms());
		m = heaviest(w, b, weigh_work_of_nobody);
	} else if (m == NULL) {
		kill(pid, SIGKILL); /* it is so young */
	}
	if (m == NULL)
		return;
	own = measures_find(&w->all, b->pid);
	kill_page(m, POOL_REASON_FLOOD, why);
	m->explained = true; /* its lease is told by who calls */
	w->next_guess = deadline_in(GUESS_GAP_MS);
	if (own != NULL)
		own->tolerated_bytes = MAX(own->bytes, 1);
}

/* Whose page it is may be known, and Chromium too busy to tell. */
static void kill_for_browser(struct watchdog *w, struct browser *b, struct measure *m,
			     enum pool_reason reason, const char *why)
{
	struct context *c = page_process_owner(b, m->pid, m->start_ticks);

	w->next_guess = deadline_in(GUESS_GAP_MS);
	kill_page(m, reason, why);
	if (c == NULL)
		return;
	m->explained = true;
	context_end(c, reason, why);
}

/* Half way from its pages' limit to the kernel's, and it goes on. */
static bool is_nearly_dead(const struct watchdog *w, const struct measure *own)
{
	return own->bytes > limit_of(w) + LAST_BYTES && own->grown_bytes > 0;
}

static bool is_overfull(const struct watchdog *w, const struct measure *own)
{
	return own->bytes > MAX(MIN(limit_of(w), MAX_BROWSER), own->tolerated_bytes) ||
	       is_nearly_dead(w, own);
}

/* What the dead one left, and has begun, is not the others' fault. */
static void tolerate(struct measure *own, bool still_coming)
{
	if (own->tolerated_bytes == 0)
		return;
	if (still_coming && own->bytes > own->tolerated_bytes)
		own->tolerated_bytes = own->bytes;
	if (own->bytes + LEFT_BYTES < own->tolerated_bytes)
		own->tolerated_bytes = own->bytes + LEFT_BYTES;
}

/* What pages make the browser keep for them nobody can tell apart. But what a page sends there it has
 * made first, in memory that was fresh; and making it takes time. */
static struct measure *filler(struct watchdog *w, struct browser *b, const struct measure *own)
{
	struct measure *m = heaviest(w, b, weigh_fresh);

	if (m != NULL && m->fresh_bytes >= FRESH_BYTES)
		return m;
	if (!deadline_is_over(w->next_guess))
		return NULL;
	m = heaviest(w, b, weigh_work);
	if (m != NULL && m->busy_percent < BUSY_PERCENT && !is_nearly_dead(w, own))
		return NULL;
	return m;
}

/* Its death is the backlog's, whatever else its browser shows until that is handed on. */
static void end_backlog(struct watchdog *w, struct browser *b, struct measure *own)
{
	static const char why[] = "what its page says piles up in its browser";
	struct context *c = backlog_look(b, own->bytes);

	if (c == NULL)
		return;
	w->next_guess = deadline_in(GUESS_GAP_MS);
	page_process_kill(c, why);
	context_end(c, POOL_REASON_FLOOD, why);
}

static void relieve(struct watchdog *w, struct browser *b, struct measure *own)
{
	struct measure *m;

	if (is_overfull(w, own)) {
		m = filler(w, b, own);
		if (m == NULL)
			return;
		own->tolerated_bytes = own->bytes;
		kill_for_browser(w, b, m, POOL_REASON_PAGE_OOM,
				 "it made the most while its browser became too large");
	} else if (health_silent_ms(b->health) >= SILENT_MS && own->busy_percent >= BUSY_PERCENT) {
		m = heaviest(w, b, weigh_work);
		if (m == NULL || m->busy_percent < BUSY_PERCENT)
			return;
		kill_for_browser(w, b, m, POOL_REASON_FLOOD,
				 "it was the busiest while its browser had no time to answer");
	}
}

static void relieve_browser(struct watchdog *w, struct browser *b)
{
	struct measure *own = measures_find(&w->all, b->pid);
	bool may_relieve;

	if (own == NULL)
		return;
	end_backlog(w, b, own);
	may_relieve = deadline_is_over(w->next_guess) || is_nearly_dead(w, own);
	tolerate(own, !may_relieve);
	if (may_relieve)
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
		bool large = m->bytes >= limit_of(w) / 5 * 2;

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
