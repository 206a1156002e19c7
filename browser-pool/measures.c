#include "measures.h"

#include <stdlib.h>
#include <unistd.h>

#include "browser.h"
#include "mem.h"
#include "processes.h"

#define GONE_MS	 10000 /* a browser that is busy tells late of it, and what it began takes longer */
#define COUNT_MS 200
#define SPAN_MS	 2000

struct measure *measures_find(struct measures *all, pid_t pid)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].pid == pid)
			return &all->list[i];
	return NULL;
}

static struct measure *get(struct measures *all, const struct process *of)
{
	struct measure *m = measures_find(all, of->pid);

	if (m != NULL && m->start_ticks == of->start_ticks)
		return m;
	if (m == NULL && all->count == all->cap) {
		all->cap = all->cap ? all->cap * 2 : 32;
		all->list = mem_realloc(all->list, all->cap * sizeof(*all->list));
	}
	if (m == NULL)
		m = &all->list[all->count++];
	*m = (struct measure){
		.pid = of->pid, .group = of->group, .type = of->type, .start_ticks = of->start_ticks
	};
	return m;
}

void measures_forget_old(struct measures *all, int64_t now)
{
	for (size_t i = all->count; i-- > 0;)
		if (now - all->list[i].at_ms > GONE_MS)
			all->list[i] = all->list[--all->count];
}

static int64_t a_second(uint64_t now, uint64_t before, int64_t elapsed_ms)
{
	return (int64_t)(now - before) * 1000 / elapsed_ms;
}

static void count_work(struct measure *m, const struct process *of, int64_t now)
{
	int64_t elapsed = now - m->counted_ms;

	if (m->counted_ms > 0 && elapsed < COUNT_MS)
		return;
	if (m->counted_ms > 0)
		m->busy_percent = a_second(of->cpu_ticks, m->counted_ticks, elapsed) * 100 /
				  sysconf(_SC_CLK_TCK);
	m->counted_ticks = of->cpu_ticks;
	m->counted_ms = now;
}

static void count_asked(struct measure *m, const struct process *of, int64_t now)
{
	if (now - m->span_ms >= SPAN_MS) {
		m->before_ticks = m->span_ms > 0 ? m->span_ticks : of->system_ticks;
		m->span_ticks = of->system_ticks;
		m->span_ms = now;
	}
	m->asked_ticks = of->system_ticks - m->before_ticks;
}

static void take(struct measures *all, const struct process *of, int64_t now)
{
	struct process_memory memory;
	struct measure *m;
	int64_t bytes;

	/* One that is dying has nothing any more: what counts is what it had. */
	if (process_read_memory(of->pid, &memory) < 0)
		return;
	m = get(all, of);
	bytes = memory.own_bytes + (of->type == PROCESS_RENDERER ? memory.shared_bytes : 0);
	m->grown_bytes = m->at_ms > 0 ? bytes - m->bytes : 0;
	m->bytes = bytes;
	m->at_ms = now;
	count_work(m, of, now);
	count_asked(m, of, now);
}

void measures_take(struct measures *all, const struct processes *from, const struct browser *b,
		   int64_t now)
{
	const struct process *of = NULL;

	while ((of = processes_next(from, b->pid, of)) != NULL)
		if ((of->type == PROCESS_RENDERER || of->type == PROCESS_BROWSER) &&
		    of->state != 'Z')
			take(all, of, now);
}

void measures_done(struct measures *all)
{
	free(all->list);
	*all = (struct measures){ 0 };
}
