#include "remains.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/queue.h>

#include "browser.h"
#include "fd.h"
#include "log.h"
#include "mem.h"
#include "page_process.h"
#include "pool.h"
#include "timer.h"

#define PATIENCE_MS 250 /* with a process that ends; it takes 5 to 30 */

struct remain {
	TAILQ_ENTRY(remain) link;
	struct remains *all;
	pid_t pid;
	int fd; /* pidfd: readable when the process has ended */
	struct event *ended;
	uint64_t question; /* that found it */
	int64_t found_ms;
	bool is_own; /* known to be a context's that is gone, even while Chromium names it */
	bool killed;
};

TAILQ_HEAD(remain_list, remain);

struct remains {
	struct browser *browser;
	struct remain_list list;
	struct event *timer; /* pending while the list has anything */
	uint64_t last_question;
	bool is_open;	/* the last question has no answer yet */
	bool is_wanted; /* another question after it */
	pid_t *seen;	/* page processes when it was asked */
	size_t seen_count;
};

static void ask(struct remains *r);

/* Contexts */

static bool waits_for_something(const struct remains *r, const struct context *c)
{
	const struct remain *m;

	if (c->question > r->last_question || (r->is_open && c->question == r->last_question))
		return true;
	TAILQ_FOREACH (m, &r->list, link)
		if (m->question <= c->question)
			return true;
	return false;
}

static void free_contexts(struct remains *r)
{
	struct context *c, *next;

	for (c = TAILQ_FIRST(&r->browser->contexts[CONTEXT_DISPOSING]); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->question > 0 && !waits_for_something(r, c))
			context_free(c);
	}
}

/* Processes */

static void forget(struct remain *m)
{
	TAILQ_REMOVE(&m->all->list, m, link);
	event_free(m->ended);
	close(m->fd);
	free(m);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct remain *m = arg;
	struct remains *r = m->all;

	(void)fd;
	(void)what;
	log_debug("page process gone", "browser=%u pid=%d took_ms=%lld", r->browser->id,
		  (int)m->pid, (long long)(clock_now_ms() - m->found_ms));
	forget(m);
	free_contexts(r);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct remains *r = arg;

	(void)fd;
	(void)what;
	if (!TAILQ_EMPTY(&r->list))
		ask(r);
}

static bool is_page_process(const struct remains *r, const struct process *p)
{
	return p != NULL && p->group == r->browser->pid && p->type == PROCESS_RENDERER &&
	       p->state != 'Z';
}

static struct remain *watch(struct remains *r, pid_t pid, int fd)
{
	struct remain *m = mem_zalloc(sizeof(*m));

	m->all = r;
	m->pid = pid;
	m->fd = fd;
	m->question = r->last_question;
	m->found_ms = clock_now_ms();
	m->ended = event_new(r->browser->pool->base, fd, EV_READ, on_ended, m);
	event_add(m->ended, NULL);
	TAILQ_INSERT_TAIL(&r->list, m, link);
	return m;
}

static struct remain *find(struct remains *r, pid_t pid)
{
	struct remain *m;

	TAILQ_FOREACH (m, &r->list, link)
		if (m->pid == pid)
			return m;
	return NULL;
}

/* NULL: it has ended. The look comes after the open: so the descriptor is that process's, not one's
 * with its old pid. */
static struct remain *begin(struct remains *r, pid_t pid)
{
	int fd = pidfd_open(pid, 0); /* close-on-exec by itself */

	if (fd < 0)
		return NULL;
	if (is_page_process(r, processes_look(r->browser->pool->processes, pid)))
		return watch(r, pid, fd);
	close(fd);
	return NULL;
}

/* The same of a context's own process, which is known. */
static struct remain *begin_own(struct remains *r, const struct context *c, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return NULL;
	if (page_process_running(c) == pid)
		return watch(r, pid, fd);
	close(fd);
	return NULL;
}

static void kill_if_late(struct remain *m)
{
	const struct browser *b = m->all->browser;

	if (m->killed || clock_now_ms() - m->found_ms < PATIENCE_MS)
		return;
	m->killed = true;
	b->pool->totals.page_processes_killed++;
	log_notice("page process outlived its page: killed", "browser=%u pid=%d", b->id,
		   (int)m->pid);
	pidfd_send_signal(m->fd, SIGKILL, NULL, 0);
}

/* Questions */

static bool names(json_t *result, pid_t pid)
{
	json_t *info;
	size_t i;

	json_array_foreach (json_object_get(result, "processInfo"), i, info)
		if (json_integer_value(json_object_get(info, "id")) == pid)
			return true;
	return false;
}

static void look_at_known(struct remains *r, json_t *result)
{
	struct remain *m, *next;

	for (m = TAILQ_FIRST(&r->list); m != NULL; m = next) {
		next = TAILQ_NEXT(m, link);
		if (!m->is_own && names(result, m->pid))
			forget(m); /* it was not ending but starting */
		else
			kill_if_late(m);
	}
}

/* What was there before the question, is not in the answer, and is there now. */
static void look_for_new(struct remains *r, json_t *result)
{
	for (size_t i = 0; i < r->seen_count; i++)
		if (!names(result, r->seen[i]) && find(r, r->seen[i]) == NULL)
			begin(r, r->seen[i]);
}

/* Chromium can still name a process whose page it has said to be gone. */
static void look_for_own(struct remains *r)
{
	const struct context *c;

	TAILQ_FOREACH (c, &r->browser->contexts[CONTEXT_DISPOSING], link) {
		pid_t pid = c->question == r->last_question ? page_process_running(c) : 0;
		struct remain *m = pid > 0 ? find(r, pid) : NULL;

		if (pid > 0 && m == NULL)
			m = begin_own(r, c, pid);
		if (m != NULL)
			m->is_own = true;
	}
}

static void on_answer(void *arg, json_t *result, const char *error)
{
	struct remains *r = arg;

	if (r->browser->state == BROWSER_DYING)
		return;
	r->is_open = false;
	if (result == NULL) {
		log_warning("the browser does not tell its processes", "browser=%u reason=\"%s\"",
			    r->browser->id, error);
	} else {
		look_at_known(r, result);
		look_for_new(r, result);
	}
	look_for_own(r);
	if (!TAILQ_EMPTY(&r->list) && !event_pending(r->timer, EV_TIMEOUT, NULL))
		timer_set(r->timer, PATIENCE_MS);
	free_contexts(r);
	if (r->is_wanted)
		ask(r);
}

static void note_seen(struct remains *r)
{
	struct processes *all = r->browser->pool->processes;
	const struct process *p = NULL;
	size_t count = 0;

	processes_refresh(all, 0);
	while ((p = processes_next(all, r->browser->pid, p)) != NULL)
		count++;
	r->seen = mem_realloc(r->seen, (count + 1) * sizeof(*r->seen));
	r->seen_count = 0;
	while ((p = processes_next(all, r->browser->pid, p)) != NULL)
		if (is_page_process(r, p))
			r->seen[r->seen_count++] = p->pid;
}

static void ask(struct remains *r)
{
	if (r->is_open) {
		r->is_wanted = true;
		return;
	}
	r->is_wanted = false;
	r->is_open = true;
	r->last_question++;
	note_seen(r);
	browser_call(r->browser, NULL, "SystemInfo.getProcessInfo", NULL, on_answer, r);
}

void remains_add_context(struct remains *r, struct context *c)
{
	c->question = r->last_question + 1;
	ask(r);
}

struct remains *remains_new(struct browser *b)
{
	struct remains *r = mem_zalloc(sizeof(*r));

	r->browser = b;
	r->timer = event_new(b->pool->base, -1, 0, on_timer, r);
	TAILQ_INIT(&r->list);
	return r;
}

void remains_stop(struct remains *r)
{
	struct remain *m;

	event_del(r->timer);
	while ((m = TAILQ_FIRST(&r->list)) != NULL)
		forget(m);
}

void remains_free(struct remains *r)
{
	if (r == NULL)
		return;
	event_free(r->timer);
	free(r->seen);
	free(r);
}
