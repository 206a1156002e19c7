#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"

#define OVERTIME_MS 5000 /* a slot gets this much more than its job's limit */
#define TAIL_MS	    100	 /* for our stderr to take a dead slot's last words */

void child_init(struct child *c, const struct slot_config *config)
{
	struct error err;

	*c = (struct child){ .config = *config };
	if (tail_open(&c->tail, &err) < 0)
		log_warning("slot's stderr is not kept", "slot=%s err=\"%s\"", config->name,
			    err.text);
}

void child_done(struct child *c)
{
	tail_close(&c->tail);
}

void child_start(struct child *c)
{
	int self = (int)getpid();
	pid_t pid;

	c->next_start = deadline_in(CHILD_RESTART_MS);
	atomic_store(&c->config.watch->must_end_ms, 0);
	pid = fork();
	if (pid < 0) {
		log_error("slot not started", "err=\"%s\"", strerror(errno));
		return;
	}
	if (pid == 0) {
		daemon_die_with_parent(SIGKILL, self);
		tail_enter(&c->tail);
		_exit(slot_main(&c->config));
	}
	c->pid = pid;
}

static void tell_fate(struct child *c, int status)
{
	if (c->overdue)
		snprintf(c->fate, sizeof(c->fate),
			 "The worker was stopped: this took longer than it may.");
	else if (WIFSIGNALED(status))
		snprintf(c->fate, sizeof(c->fate), "The worker was stopped by signal %d (%s).",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == SLOT_EXIT_MEMORY)
		snprintf(c->fate, sizeof(c->fate),
			 "The worker was stopped: this took more memory than it may.");
	else
		snprintf(c->fate, sizeof(c->fate), "The worker ended with exit code %d.",
			 WEXITSTATUS(status));
}

void child_ended(struct child *c, int status)
{
	c->pid = 0;
	c->to_release = true;
	tell_fate(c, status);
	tail_end(&c->tail, deadline_in(TAIL_MS));
	if (!daemon_stop_asked())
		log_warning("slot died", "slot=%s fate=\"%s\"", c->config.name, c->fate);
}

void child_released(struct child *c)
{
	c->to_release = c->overdue = false;
	tail_clear(&c->tail);
}

void child_kill_overdue(struct child *c)
{
	int64_t must_end = atomic_load(&c->config.watch->must_end_ms);

	if (c->pid == 0 || must_end == 0 || clock_now_ms() < must_end + OVERTIME_MS)
		return;
	log_error("slot outstayed its job's time limit", "slot=%s", c->config.name);
	c->overdue = true;
	kill(c->pid, SIGKILL);
	atomic_store(&c->config.watch->must_end_ms, 0);
}
