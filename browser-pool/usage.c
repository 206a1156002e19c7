#include "usage.h"

#include <event2/event.h>
#include <unistd.h>

#include "browser.h"
#include "clock.h"
#include "idle.h"
#include "mem.h"
#include "pool.h"
#include "timer.h"

#define ROUND_MS 10000
#define PAUSE_MS 20   /* between two processes of a round */
#define FRESH_MS 1000 /* the list of processes */

struct known {
	pid_t pid;
	enum process_type type;
};

struct usage {
	struct pool *pool;
	struct event *timer;
	struct known *list; /* of this round */
	size_t count, cap, next;
	struct usage_bytes sum; /* so far */
	struct usage_bytes done;
	int64_t done_ms;
};

static void add(struct usage *u, const struct process *of)
{
	if (u->count == u->cap) {
		u->cap = u->cap ? u->cap * 2 : 32;
		u->list = mem_realloc(u->list, u->cap * sizeof(*u->list));
	}
	u->list[u->count++] = (struct known){ .pid = of->pid, .type = of->type };
}

static int64_t bytes_of(pid_t pid)
{
	struct process_memory own;
	int64_t bytes;

	if (process_read_pss(pid, &bytes) == 0)
		return bytes;
	return process_read_memory(pid, &own) == 0 ? own.own_bytes : 0;
}

static void begin_round(struct usage *u)
{
	const struct pool *p = u->pool;
	const struct process *of;
	const struct browser *b;

	u->sum = (struct usage_bytes){ 0 };
	u->count = u->next = 0;
	processes_refresh(p->processes, FRESH_MS);
	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_FOREACH (b, &p->browsers[state], link)
			for (of = NULL; (of = processes_next(p->processes, b->pid, of)) != NULL;)
				if (of->state != 'Z')
					add(u, of);
}

static void end_round(struct usage *u)
{
	u->sum.daemon = bytes_of(getpid());
	u->done = u->sum;
	u->done_ms = clock_now_ms();
	u->count = u->next = 0;
}

/* False: that was the last one. */
static bool take_one(struct usage *u)
{
	const struct known *k = &u->list[u->next];

	if (u->next == u->count) {
		end_round(u);
		return false;
	}
	u->next++;
	u->sum.of[k->type] += bytes_of(k->pid);
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct usage *u = arg;

	(void)fd;
	(void)what;
	if (u->count == 0)
		begin_round(u);
	if (take_one(u))
		timer_set(u->timer, PAUSE_MS);
	else
		usage_wake(u);
}

void usage_wake(struct usage *u)
{
	if (idle_is_needed(u->pool) && !event_pending(u->timer, EV_TIMEOUT, NULL))
		timer_set(u->timer, ROUND_MS);
}

struct usage_bytes usage_get(struct usage *u)
{
	bool rounds_go_on = idle_is_needed(u->pool) && u->done_ms > 0;

	if (!rounds_go_on && clock_now_ms() - u->done_ms >= ROUND_MS) {
		begin_round(u);
		while (take_one(u))
			;
	}
	return u->done;
}

struct usage *usage_new(struct pool *p)
{
	struct usage *u = mem_zalloc(sizeof(*u));

	u->pool = p;
	u->done_ms = -ROUND_MS;
	u->timer = event_new(p->base, -1, 0, on_timer, u);
	return u;
}

void usage_free(struct usage *u)
{
	if (u == NULL)
		return;
	event_free(u->timer);
	free(u->list);
	free(u);
}
