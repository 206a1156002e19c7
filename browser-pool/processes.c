#include "processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "mem.h"

#define FULL_LOOK_MS 10000
#define STAT_BYTES   512
#define LINE_BYTES   4096
#define ROLLUP_BYTES 2048

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

static const char *const type_names[PROCESS_TYPE_COUNT] = { "browser", "zygote",  "renderer", "gpu",
							    "network", "utility", "other" };

const char *process_type_name(enum process_type type)
{
	return type_names[type];
}

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

/* One process */

/* -1 when there is no such file, or nothing in it. The text ends with a NUL. */
static ssize_t read_text(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return len > 0 ? len : -1;
}

static int open_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static ssize_t read_of(pid_t pid, const char *name, char *text, size_t size)
{
	int fd = open_of(pid, name);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read_text(fd, text, size);
	close(fd);
	return len;
}

/* pid (name, which may hold anything) state parent group … the 22nd is the start. */
static bool read_stat(int fd, struct process *ret)
{
	char text[STAT_BYTES], *rest;
	int group;

	if (read_text(fd, text, sizeof(text)) < 0)
		return false;
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest,
				   ") %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
				   "%*d %*d %*d %*d %" SCNu64,
				   &ret->state, &group, &ret->start_ticks) != 3)
		return false;
	ret->group = group;
	return true;
}

static bool word_is(const char *at, const char *word)
{
	size_t len = strlen(word);

	return strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0');
}

static enum process_type read_type(pid_t pid)
{
	static const char mark[] = "--type=", network[] = "network.mojom.NetworkService";
	char line[LINE_BYTES];
	ssize_t len = read_of(pid, "cmdline", line, sizeof(line));
	const char *type = len > 0 ? memmem(line, (size_t)len, mark, strlen(mark)) : NULL;

	if (type == NULL)
		return PROCESS_OTHER;
	type += strlen(mark);
	if (word_is(type, "renderer"))
		return PROCESS_RENDERER;
	if (word_is(type, "zygote"))
		return PROCESS_ZYGOTE;
	if (word_is(type, "gpu-process"))
		return PROCESS_GPU;
	if (word_is(type, "utility"))
		return memmem(line, (size_t)len, network, strlen(network)) ? PROCESS_NETWORK
									   : PROCESS_UTILITY;
	return PROCESS_OTHER;
}

/* Not yet what it will be, perhaps. */
static bool is_unsettled(const struct process *m)
{
	return m->type == PROCESS_ZYGOTE || m->type == PROCESS_OTHER;
}

static void classify(struct process *m)
{
	if (m->pid == m->group)
		m->type = PROCESS_BROWSER;
	else if (m->state != 'Z') /* a dead one has no command line any more */
		m->type = read_type(m->pid);
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
	if (is_unsettled(&m->is))
		classify(&m->is);
	members_add(&p->ours_next, m);
}

static void look_at_new(struct processes *p, pid_t pid)
{
	struct member m = { .is = { .pid = pid, .type = PROCESS_OTHER } };

	m.stat_fd = open_of(pid, "stat");
	if (m.stat_fd < 0)
		return;
	if (read_stat(m.stat_fd, &m.is) && pids_have(&p->groups, m.is.group)) {
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

	if (read_stat(m->stat_fd, &m->is) && pids_have(&p->groups, m->is.group)) {
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

	return m && read_stat(m->stat_fd, &m->is) ? &m->is : NULL;
}

/* One process, now */

int process_read(pid_t pid, struct process *ret)
{
	struct process p = { .pid = pid, .type = PROCESS_OTHER };
	int fd = open_of(pid, "stat");
	bool ok;

	if (fd < 0)
		return -ESRCH;
	ok = read_stat(fd, &p);
	close(fd);
	if (!ok)
		return -ESRCH;
	classify(&p);
	*ret = p;
	return 0;
}

int process_read_memory(pid_t pid, struct process_memory *ret)
{
	char text[STAT_BYTES];
	int64_t resident, shared, page = sysconf(_SC_PAGESIZE);

	if (read_of(pid, "statm", text, sizeof(text)) < 0)
		return -ESRCH;
	if (sscanf(text, "%*u %" SCNd64 " %" SCNd64, &resident, &shared) != 2)
		return -EBADMSG;
	ret->resident_bytes = resident * page;
	ret->shared_bytes = shared * page;
	return 0;
}

int process_read_pss(pid_t pid, int64_t *ret_bytes)
{
	char text[ROLLUP_BYTES];
	const char *line;
	int64_t kb;
	int fd = open_of(pid, "smaps_rollup"), r;

	if (fd < 0)
		return -errno;
	r = read_text(fd, text, sizeof(text)) < 0 ? -ESRCH : 0;
	close(fd);
	if (r < 0)
		return r;
	line = strstr(text, "\nPss:");
	if (line == NULL || sscanf(line, " Pss: %" SCNd64, &kb) != 1)
		return -EBADMSG;
	*ret_bytes = kb * 1024;
	return 0;
}
