#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "fd.h"

#define FIRST_FREE_FD 10 /* above the numbers that the child's descriptors get */
#define PIPE_BYTES    (1 << 20) /* from the child, not yet read */

/* Both ends of what the child gets, until it has them. */
struct ends {
	int in_ours, in_theirs; /* from the child */
	int out_ours, out_theirs;
	int stderr_ours, stderr_theirs;
	int null;
};

static const struct ends no_ends = { -1, -1, -1, -1, -1, -1, -1 };

static void ends_close(struct ends *e)
{
	fd_close(&e->in_ours);
	fd_close(&e->in_theirs);
	fd_close(&e->out_ours);
	fd_close(&e->out_theirs);
	fd_close(&e->stderr_ours);
	fd_close(&e->stderr_theirs);
	fd_close(&e->null);
}

/* Out of the way of 0-4, so that dup2() cannot overwrite what is still needed. */
static int move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

	if (up < 0)
		return -errno;
	close(*fd);
	*fd = up;
	return 0;
}

static int open_pipe(int *ours, int *theirs, bool ours_reads)
{
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	*ours = pair[ours_reads ? 0 : 1];
	*theirs = pair[ours_reads ? 1 : 0];
	r = move_up(theirs);
	return r < 0 ? r : fd_set_nonblock(*ours);
}

/* Pipes and not a socket: Chromium writes a message and its end mark apart from each other, which
 * costs a socket two buffers, and a thread that waits in read() is woken by a socket for the other
 * direction, too. */
static int open_ends(struct ends *e)
{
	int r;

	e->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (e->null < 0)
		return -errno;
	r = move_up(&e->null);
	if (r == 0)
		r = open_pipe(&e->in_ours, &e->in_theirs, true);
	if (r == 0)
		r = open_pipe(&e->out_ours, &e->out_theirs, false);
	if (r == 0)
		r = open_pipe(&e->stderr_ours, &e->stderr_theirs, true);
	/* If the kernel gives so much: else the browser waits for each turn of ours that comes late. */
	if (r == 0)
		fcntl(e->in_ours, F_SETPIPE_SZ, PIPE_BYTES);
	return r;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void limit_data(int64_t bytes)
{
	struct rlimit limit = { (rlim_t)bytes, (rlim_t)bytes };

	setrlimit(RLIMIT_DATA, &limit);
}

/* The pool may be the last that the kernel kills for memory; a browser and its pages are not. */
static void be_killed_for_memory(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char sign = '\0';

	if (fd < 0)
		return;
	if (read(fd, &sign, 1) == 1 && sign == '-')
		(void)!pwrite(fd, "0", 1, 0);
	close(fd);
}

/* Neither now nor later: what the pool goes before others for, or lets them go before it, is not work
 * like this. What priority.h sets back may be put right, if the pool's own limit lets it. */
static void be_scheduled_as_others(void)
{
	const struct sched_param none = { 0 };
	const struct rlimit usual_nice = { 20, 20 }, no_nice = { 0, 0 };

	sched_setscheduler(0, SCHED_OTHER, &none);
	if (setrlimit(RLIMIT_NICE, &usual_nice) < 0)
		setrlimit(RLIMIT_NICE, &no_nice);
	if (getpriority(PRIO_PROCESS, 0) < 0)
		setpriority(PRIO_PROCESS, 0, 0);
}

/* In the child: nothing here may allocate or lock. */
static _Noreturn void become(const struct child_plan *plan, const struct ends *e, pid_t parent)
{
	static const char sorry[] = "cannot execute the browser\n";

	setsid();
	daemon_die_with_parent(SIGKILL, parent);
	reset_signals();
	limit_data(plan->data_limit_bytes);
	be_killed_for_memory();
	be_scheduled_as_others();
	if (dup2(e->null, 0) < 0 || dup2(e->null, 1) < 0 || dup2(e->stderr_theirs, 2) < 0 ||
	    dup2(e->out_theirs, 3) < 0 || dup2(e->in_theirs, 4) < 0 || chdir(plan->dir) < 0)
		_exit(CHILD_EXIT_CANNOT_EXECUTE);
	execve(plan->path, plan->argv, plan->envp);
	(void)!write(2, sorry, sizeof(sorry) - 1);
	_exit(CHILD_EXIT_CANNOT_EXECUTE);
}

int child_spawn(const struct child_plan *plan, struct child *ret, struct error *err)
{
	struct ends e = no_ends;
	int r = open_ends(&e);
	pid_t parent = getpid(), pid;

	if (r < 0) {
		ends_close(&e);
		return error_set(err, r, "no descriptors for a browser: %s", strerror(-r));
	}
	pid = fork();
	if (pid == 0)
		become(plan, &e, parent);
	if (pid < 0) {
		r = -errno;
		ends_close(&e);
		return error_set(err, r, "cannot fork: %s", strerror(-r));
	}
	ret->pid = pid;
	ret->in_fd = e.in_ours;
	ret->out_fd = e.out_ours;
	ret->stderr_fd = e.stderr_ours;
	e.in_ours = e.out_ours = e.stderr_ours = -1;
	ends_close(&e);
	return 0;
}

int child_lower_data_limit(pid_t pid, int64_t bytes)
{
	struct rlimit limit = { (rlim_t)bytes, (rlim_t)bytes };

	return prlimit(pid, RLIMIT_DATA, &limit, NULL) < 0 ? -errno : 0;
}

void child_kill_group(pid_t pid)
{
	/* The leader too: right after fork() the group may not be there yet. */
	kill(pid, SIGKILL);
	kill(-pid, SIGKILL);
}

bool child_group_is_gone(pid_t pid)
{
	return kill(-pid, 0) < 0 && errno == ESRCH;
}

void child_adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

pid_t child_reap(int *status)
{
	pid_t pid = waitpid(-1, status, WNOHANG);

	return pid > 0 ? pid : 0;
}
