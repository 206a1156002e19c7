#include "processes.h"

#include <dirent.h>
#include <stdbool.h>
#include <unistd.h>

#include "clock.h"
#include "mem.h"

#define FULL_LOOK_MS 10000

struct member {
	struct process is;
	int stat_fd; /* of this process for ever: its pid may be given again, this not */
};

struct pids {
	pid_t *list; /* ascending */
	size_t count, cap;
};

struct members {
	struct member *list; /* by ascending pid */
	size_t count, cap;
};

struct processes {
	DIR *proc;
	struct pids groups;
	struct pids all;       /* as listed by this refresh */
	struct pids strangers; /* looked at, and of no group */
	struct pids strangers_next;
	struct members ours, ours_next;
	int64_t refreshed_ms, full_look_ms;
};

/* Lists */

static void pids_add(struct pids *p, pid_t pid)
{
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->list = mem_realloc(p->list, p->cap * sizeof(*p->list));
	}
	p->list[p->count++] = pid;
}

static bool pids_have(const struct pids *p, pid_t pid)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i] == pid)
			return true;
	return false;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void members_add(struct members *m, const struct member *new)
{
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 16;
		m->list = mem_realloc(m->list, m->cap * sizeof(*m->list));
	}
	m->list[m->count++] = *new;
}

/* The refresh */

static void list_all(struct processes *p)
{
	struct pids *all = &p->all;
	struct dirent *entry;

	rewinddir(p->proc);
	while ((entry = readdir(p->proc)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			pids_add(all, (pid_t)strtol(entry->d_name, NULL, 10));
	/* The kernel lists them so, but does not promise it. */
	for (size_t i = 1; i < all->count; i++)
		if (all->list[i] < all->list[i - 1]) {
			qsort(all->list, all->count, sizeof(*all->list), compare_pids);
			return;
		}
}

static void keep(struct processes *p, struct member *m)
{
	if (process_is_unsettled(&m->is))
		process_classify(&m->is);
	members_add(&p->ours_next, m);
}

static void look_at_new(struct processes *p, pid_t pid)
{
	struct member m = { .is = { .pid = pid, .type = PROCESS_OTHER } };

	m.stat_fd = process_open_stat(pid);
	if (m.stat_fd < 0)
		return;
	if (process_read_stat(m.stat_fd, &m.is) && pids_have(&p->groups, m.is.group)) {
		keep(p, &m);
		return;
	}
	close(m.stat_fd);
	/* A leader that has only just been forked is still in this process's group. */
	if (!pids_have(&p->groups, pid))
		pids_add(&p->strangers_next, pid);
}

static void look_at_ours(struct processes *p, struct member *m)
{
	pid_t pid = m->is.pid;

	if (process_read_stat(m->stat_fd, &m->is) && pids_have(&p->groups, m->is.group)) {
		keep(p, m);
		return;
	}
	close(m->stat_fd);
	look_at_new(p, pid);
}

static void swap_in_next(struct processes *p)
{
	struct pids strangers = p->strangers;
	struct members ours = p->ours;

	p->strangers = p->strangers_next;
	p->strangers_next = strangers;
	p->strangers_next.count = 0;
	p->ours = p->ours_next;
	p->ours_next = ours;
	p->ours_next.count = 0;
}

/* Three ascending lists side by side. */
static void look(struct processes *p)
{
	size_t o = 0, s = 0;

	for (size_t i = 0; i < p->all.count; i++) {
		pid_t pid = p->all.list[i];

		for (; o < p->ours.count && p->ours.list[o].is.pid < pid; o++)
			close(p->ours.list[o].stat_fd);
		while (s < p->strangers.count && p->strangers.list[s] < pid)
			s++;
		if (o < p->ours.count && p->ours.list[o].is.pid == pid)
			look_at_ours(p, &p->ours.list[o++]);
		else if (s < p->strangers.count && p->strangers.list[s] == pid)
			pids_add(&p->strangers_next, pid);
		else
			look_at_new(p, pid);
	}
	for (; o < p->ours.count; o++)
		close(p->ours.list[o].stat_fd);
	swap_in_next(p);
}

void processes_refresh(struct processes *p, int64_t max_age_ms)
{
	int64_t now = clock_now_ms();

	if (p->proc == NULL || (max_age_ms > 0 && now - p->refreshed_ms <= max_age_ms))
		return;
	if (now - p->full_look_ms >= FULL_LOOK_MS) {
		p->strangers.count = 0;
		p->full_look_ms = now;
	}
	p->all.count = 0;
	if (p->groups.count > 0)
		list_all(p);
	look(p);
	p->refreshed_ms = now;
}

struct processes *processes_new(void)
{
	struct processes *p = mem_zalloc(sizeof(*p));

	p->proc = opendir("/proc");
	p->refreshed_ms = p->full_look_ms = INT64_MIN / 2;
	return p;
}

void processes_free(struct processes *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->ours.count; i++)
		close(p->ours.list[i].stat_fd);
	if (p->proc != NULL)
		closedir(p->proc);
	free(p->groups.list);
	free(p->all.list);
	free(p->strangers.list);
	free(p->strangers_next.list);
	free(p->ours.list);
	free(p->ours_next.list);
	free(p);
}

void processes_add_group(struct processes *p, pid_t leader)
{
	pids_add(&p->groups, leader);
	p->strangers.count = 0; /* it may have been looked at before it was known */
	p->refreshed_ms = INT64_MIN / 2;
}

void processes_remove_group(struct processes *p, pid_t leader)
{
	struct pids *g = &p->groups;

	for (size_t i = 0; i < g->count; i++)
		if (g->list[i] == leader)
			g->list[i--] = g->list[--g->count];
}

const struct process *processes_next(const struct processes *p, pid_t leader,
				     const struct process *before)
{
	size_t i = before ? (size_t)((const struct member *)before - p->ours.list) + 1 : 0;

	for (; i < p->ours.count; i++)
		if (p->ours.list[i].is.group == leader)
			return &p->ours.list[i].is;
	return NULL;
}

static struct member *find(const struct processes *p, pid_t pid)
{
	for (size_t i = 0; i < p->ours.count; i++)
		if (p->ours.list[i].is.pid == pid)
			return &p->ours.list[i];
	return NULL;
}

const struct process *processes_find(const struct processes *p, pid_t pid)
{
	const struct member *m = find(p, pid);

	return m ? &m->is : NULL;
}

const struct process *processes_look(struct processes *p, pid_t pid)
{
	struct member *m = find(p, pid);

	return m && process_read_stat(m->stat_fd, &m->is) ? &m->is : NULL;
}
