#include "priority.h"

#include <dirent.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "browser.h"
#include "context.h"
#include "mem.h"
#include "page_process.h"
#include "pool.h"
#include "process.h"

#define BEHIND	    12 /* further than Chromium sets back its own threads */
#define USUAL	    0
#define USUAL_LIMIT 20 /* setrlimit(2): allows what is no less than USUAL */

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

static bool may_put_right(pid_t pid)
{
	struct rlimit limit;

	return has_capability(CAP_SYS_NICE) ||
	       (prlimit(pid, RLIMIT_NICE, NULL, &limit) == 0 && limit.rlim_cur >= USUAL_LIMIT);
}

static bool is_set_back(pid_t pid)
{
	return getpriority(PRIO_PROCESS, (id_t)pid) == BEHIND;
}

/* Each thread has a niceness of its own. */
static void put_right(pid_t pid)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%d/task", (int)pid);
	DIR *threads = opendir(path);
	struct dirent *entry;

	if (threads == NULL)
		return;
	while ((entry = readdir(threads)) != NULL) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0 && is_set_back(thread))
			setpriority(PRIO_PROCESS, (id_t)thread, USUAL);
	}
	closedir(threads);
}

static bool is_warm(const struct browser *b, pid_t pid)
{
	const struct context *c;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_WARM], link)
		if (c->page_pid == pid)
			return true;
	return false;
}

static void put_others_right(const struct browser *b)
{
	int zygote = b->priority.zygote, pid;
	CLEANUP_FREE char *path = mem_printf("/proc/%d/task/%d/children", zygote, zygote);
	FILE *children = fopen(path, "re");

	if (children == NULL)
		return;
	while (fscanf(children, "%d", &pid) == 1)
		if (is_set_back(pid) && !is_warm(b, pid))
			put_right(pid);
	fclose(children);
}

static bool is_there(const struct priority *p)
{
	struct process zygote;

	return p->zygote != 0 && process_read(p->zygote, &zygote) == 0 &&
	       zygote.start_ticks == p->zygote_start_ticks;
}

static void set_back(struct browser *b, bool behind)
{
	struct priority *p = &b->priority;

	if (p->is_behind == behind || !is_there(p))
		return;
	setpriority(PRIO_PROCESS, (id_t)p->zygote, behind ? BEHIND : USUAL);
	p->is_behind = behind;
	if (!behind)
		put_others_right(b);
}

void priority_note_process(struct browser *b, const struct process *page)
{
	struct process parent;

	if (b->priority.zygote != 0 || !may_put_right(page->pid) ||
	    process_read(page->parent, &parent) < 0 || parent.type != PROCESS_ZYGOTE ||
	    parent.group != b->pid)
		return;
	b->priority.zygote = parent.pid;
	b->priority.zygote_start_ticks = parent.start_ticks;
}

/* And none of them is urgent. */
static bool makes_pages(const struct browser *b)
{
	const struct context *c;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_MAKING], link)
		if (c->is_canary || clock_now_ms() - c->begun_ms >= PRIORITY_PATIENCE_MS)
			return false;
	return !TAILQ_EMPTY(&b->contexts[CONTEXT_MAKING]);
}

void priority_decide(struct pool *p)
{
	for (int state = 0; state < BROWSER_DYING; state++) {
		struct browser *b;

		TAILQ_FOREACH (b, &p->browsers[state], link)
			set_back(b, makes_pages(b));
	}
}

void priority_note_made(struct browser *b)
{
	set_back(b, false);
}

void priority_note_lent(const struct context *c)
{
	if (c->browser->priority.zygote != 0 && c->page_pid > 0 && is_set_back(c->page_pid))
		put_right(page_process_running(c));
}
