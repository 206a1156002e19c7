#include "watchdog.h"

#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

#include "browser.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "memory.h"
#include "pool.h"
#include "processes.h"
#include "timer.h"

#define MIB		(INT64_C(1) << 20)
#define LOOK_MS		250
#define LOOK_FAST_MS	50
#define FRESH_MS	1000  /* a measurement says why its process died */
#define KILLED_MS	10000 /* a browser that is busy tells late of it */
#define WORTH_BYTES	(96 * MIB)
#define LARGEST_GAP_MS	1000 /* memory comes back a little after its process has gone */
#define BUSY_PERCENT	25   /* less is not the work of one that fills a browser */
#define BUSIEST_GAP_MS	3000 /* what the dead one left in its browser takes longer */
#define BROWSER_AS_MANY 2    /* pages' limits, or this, is not all the browser's own: */
#define MAX_BROWSER	(384 * MIB)

/* A page process as it was last measured. */
struct measured {
	pid_t pid, group;
	int64_t bytes, at_ms;
	uint64_t cpu_ticks;	/* so far */
	int64_t busy_percent;	/* of a processor, since the look before */
	bool killed, explained; /* it may go on dying for a while after both */
};

struct watchdog {
	struct pool *pool;
	struct event *timer;
	struct measured *list;
	size_t count, cap;
	struct deadline next_largest, next_busiest;
};

static int64_t limit_of(const struct watchdog *w)
{
	return w->pool->caps.page_mb * MIB;
}

static struct measured *find(struct watchdog *w, pid_t pid)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->list[i].pid == pid)
			return &w->list[i];
	return NULL;
}

static struct measured *get(struct watchdog *w, const struct process *of)
{
	struct measured *m = find(w, of->pid);

	if (m != NULL)
		return m;
	if (w->count == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 32;
		w->list = mem_realloc(w->list, w->cap * sizeof(*w->list));
	}
	m = &w->list[w->count++];
	*m = (struct measured){ .pid = of->pid, .group = of->group };
	return m;
}

static void forget(struct watchdog *w, struct measured *m)
{
	*m = w->list[--w->count];
}

static void forget_old(struct watchdog *w, int64_t now)
{
	for (size_t i = w->count; i-- > 0;)
		if (now - w->list[i].at_ms > (w->list[i].killed ? KILLED_MS : FRESH_MS))
			forget(w, &w->list[i]);
}

static void measure(struct watchdog *w, const struct process *of, int64_t now)
{
	struct process_memory memory;
	struct measured *m;

	/* One that is dying has nothing any more: what counts is what it had. */
	if (process_read_memory(of->pid, &memory) < 0 || memory.resident_bytes == 0)
		return;
	m = get(w, of);
	m->bytes = memory.resident_bytes - memory.shared_bytes;
	if (m->at_ms > 0 && now > m->at_ms)
		m->busy_percent = (int64_t)(of->cpu_ticks - m->cpu_ticks) * 100 * 1000 /
				  sysconf(_SC_CLK_TCK) / (now - m->at_ms);
	m->cpu_ticks = of->cpu_ticks;
	m->at_ms = now;
}

static void measure_browser(struct watchdog *w, const struct browser *b, int64_t now)
{
	const struct processes *all = w->pool->processes;
	const struct process *of = NULL;

	while ((of = processes_next(all, b->pid, of)) != NULL)
		if (of->type == PROCESS_RENDERER && of->state != 'Z')
			measure(w, of, now);
}

static void measure_all(struct watchdog *w, int64_t now)
{
	static const enum browser_state lively[] = { BROWSER_READY, BROWSER_DRAINING };
	struct browser *b;

	processes_refresh(w->pool->processes, LOOK_MS / 2);
	for (size_t i = 0; i < ARRAY_LEN(lively); i++)
		TAILQ_FOREACH (b, &w->pool->browsers[lively[i]], link)
			measure_browser(w, b, now);
	forget_old(w, now);
}

static void kill_page(struct measured *m, const char *why)
{
	log_notice("page process killed", "pid=%d memory_mb=%lld detail=\"%s\"", (int)m->pid,
		   (long long)(m->bytes / MIB), why);
	m->killed = true;
	kill(m->pid, SIGKILL);
}

static bool may_die(const struct measured *m)
{
	return !m->killed && !m->explained;
}

static struct measured *largest(struct watchdog *w)
{
	struct measured *best = NULL;

	for (size_t i = 0; i < w->count; i++)
		if (may_die(&w->list[i]) && (best == NULL || w->list[i].bytes > best->bytes))
			best = &w->list[i];
	return best;
}

static void kill_over_limit(struct watchdog *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (may_die(&w->list[i]) && w->list[i].bytes > limit_of(w))
			kill_page(&w->list[i], "over its limit");
}

static void kill_largest_in_need(struct watchdog *w)
{
	struct memory_state s = memory_state(w->pool->memory);
	struct measured *m = largest(w);

	if (!s.known || s.now.available_bytes >= s.floor_bytes / 2 || m == NULL ||
	    m->bytes < WORTH_BYTES || !deadline_is_over(w->next_largest))
		return;
	w->next_largest = deadline_in(LARGEST_GAP_MS);
	kill_page(m, "the machine has no memory left");
}

static struct measured *busiest(struct watchdog *w, pid_t group)
{
	struct measured *best = NULL;

	for (size_t i = 0; i < w->count; i++) {
		struct measured *m = &w->list[i];

		if (m->group == group && may_die(m) &&
		    (best == NULL || m->busy_percent > best->busy_percent))
			best = m;
	}
	return best;
}

static bool is_overfull(const struct watchdog *w, const struct browser *b)
{
	int64_t limit = MIN(limit_of(w) * BROWSER_AS_MANY, MAX_BROWSER);
	struct process_memory memory;

	return process_read_memory(b->pid, &memory) == 0 &&
	       memory.resident_bytes - memory.shared_bytes > limit;
}

/* What pages make the browser keep for them nobody can tell apart, but making it takes time. */
static void kill_busiest_of_overfull(struct watchdog *w)
{
	struct measured *m;
	struct browser *b;

	if (!deadline_is_over(w->next_busiest))
		return;
	TAILQ_FOREACH (b, &w->pool->browsers[BROWSER_READY], link) {
		m = is_overfull(w, b) ? busiest(w, b->pid) : NULL;
		if (m == NULL || m->busy_percent < BUSY_PERCENT)
			continue;
		w->next_busiest = deadline_in(BUSIEST_GAP_MS);
		kill_page(m, "it was the busiest while its browser became too large");
	}
}

static void look_again(struct watchdog *w)
{
	const struct measured *m = largest(w);
	bool fast = m != NULL && m->bytes > limit_of(w) / 4;

	if (pool_context_count(w->pool) > 0 && !event_pending(w->timer, EV_TIMEOUT, NULL))
		timer_set(w->timer, fast ? LOOK_FAST_MS : LOOK_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog *w = arg;

	(void)fd;
	(void)what;
	measure_all(w, clock_now_ms());
	kill_over_limit(w);
	kill_largest_in_need(w);
	kill_busiest_of_overfull(w);
	look_again(w);
}

void watchdog_wake(struct watchdog *w)
{
	look_again(w);
}

static bool is_gone(const struct measured *m)
{
	struct process_memory memory;

	return m->killed || process_read_memory(m->pid, &memory) < 0 || memory.resident_bytes == 0;
}

bool watchdog_explains(struct watchdog *w, const struct browser *b)
{
	for (size_t i = 0; i < w->count; i++) {
		struct measured *m = &w->list[i];
		bool large = m->killed || m->bytes >= limit_of(w) / 5 * 2;

		if (m->group != b->pid || m->explained || !large || !is_gone(m))
			continue;
		log_notice("page out of memory", "browser=%u pid=%d memory_mb=%lld", b->id,
			   (int)m->pid, (long long)(m->bytes / MIB));
		m->explained = true;
		return true;
	}
	return false;
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
	free(w->list);
	free(w);
}
