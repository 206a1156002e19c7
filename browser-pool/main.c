/*
 * pensum-browser-pool - supervises Chromium and lends isolated pages to workers.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "daemon.h"
#include "fd.h"
#include "file.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "pool.h"
#include "reload.h"

#define STOP_PATIENCE_MS 10000

static int check_browser(const struct settings *s, struct error *err)
{
	if (access(s->pool_browser, X_OK) < 0)
		return error_set(err, -errno,
				 "pool.browser = \"%s\": %s: install chromium-headless-shell, or "
				 "set the path of another browser",
				 s->pool_browser, strerror(errno));
	return 0;
}

static int check_start(const struct settings *s, struct error *err)
{
	if (file_check_dir(s->pool_run_dir, err) < 0)
		return error_prefix(err, "pool.run_dir = \"%s\"", s->pool_run_dir);
	return fd_unix_check(s->pool_socket, err);
}

static const struct program program = {
	.name = "pensum-browser-pool",
	.summary = "supervises Chromium and lends isolated pages to workers",
	.check = check_browser,
	.check_start = check_start,
};

struct app {
	struct settings settings;
	struct event_base *base;
	struct rundir *rundir;
	struct pool *pool;
	struct listener *listener;
	struct notify *notify;
	struct event *on_term, *on_int, *on_hup, *on_child;
	bool stop_asked;
};

/* The first time leases may run to their end; the second time not. */
static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct app *a = arg;

	(void)sig;
	(void)what;
	daemon_notify("STOPPING=1");
	listener_stop(a->listener);
	pool_stop(a->pool, a->stop_asked ? 0 : STOP_PATIENCE_MS);
	a->stop_asked = true;
}

static void on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct app *a = arg;
	struct error err;

	(void)sig;
	(void)what;
	daemon_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_now_ms() * 1000);
	if (reload_settings(&a->settings, &err) < 0) {
		log_error("settings kept as they were", "reason=\"%s\"", err.text);
	} else {
		log_notice("settings read again", "waiting=%lld",
			   (long long)a->settings.pool_max_waiting);
		log_set_level((enum log_level)a->settings.log_level);
		pool_note_limits(a->pool);
		listener_note_limits(a->listener);
	}
	daemon_notify("READY=1");
}

static struct browser *find_browser(struct pool *p, pid_t pid)
{
	struct browser *b;

	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_FOREACH (b, &p->browsers[state], link)
			if (b->pid == pid)
				return b;
	return NULL;
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	struct app *a = arg;
	int status;
	pid_t pid;

	(void)sig;
	(void)what;
	while ((pid = child_reap(&status)) > 0) {
		struct browser *b = find_browser(a->pool, pid);

		if (b != NULL)
			browser_note_exit(b, status);
	}
}

/* Each connection and each browser needs a few; the soft limit is usually 1024. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Messages come many at a time. Whoever sends them is not interrupted after the first one for it to be
 * read, so that a turn of the loop finds several: of 64 calls on their way each takes a tenth less. */
static void let_others_send_first(void)
{
	const struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &none) < 0)
		log_info("scheduled as usual", "reason=\"%s\"", strerror(errno));
}

/* Where the kernel shares the processors out among sessions first (autogroup, sched(7)), a niceness
 * counts within its session only: what this one was given is to hold beside the browsers' and others'. */
static void be_as_nice_to_other_sessions(void)
{
	int nice = getpriority(PRIO_PROCESS, 0), fd;

	if (nice >= 0 || getsid(0) != getpid())
		return;
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && dprintf(fd, "%d", nice) < 0)
		log_info("no niceness beside other sessions", "nice=%d reason=\"%s\"", nice,
			 strerror(errno));
	fd_close(&fd);
}

/* Not with --check-config, which root may ask for. */
static int check_sandbox(const struct settings *s, struct error *err)
{
	if (geteuid() == 0 && s->pool_sandbox == POOL_SANDBOX_ON)
		return error_set(err, -EINVAL,
				 "Chromium's sandbox does not work for root: run as another user, "
				 "or set pool.sandbox = off if no foreign page is ever opened");
	return 0;
}

static int app_open(struct app *a, struct error *err)
{
	int r = check_sandbox(&a->settings, err);

	if (r == 0)
		r = rundir_open(a->settings.pool_run_dir, &a->rundir, err);
	if (r < 0)
		return r;
	if (rundir_orphans(a->rundir) > 0)
		log_notice("a killed pool left processes: killed", "processes=%u",
			   rundir_orphans(a->rundir));
	raise_descriptor_limit();
	let_others_send_first();
	be_as_nice_to_other_sessions();
	child_adopt_orphans();
	a->base = event_base_new();
	a->on_term = evsignal_new(a->base, SIGTERM, on_stop, a);
	a->on_int = evsignal_new(a->base, SIGINT, on_stop, a);
	a->on_hup = evsignal_new(a->base, SIGHUP, on_hup, a);
	a->on_child = evsignal_new(a->base, SIGCHLD, on_child, a);
	event_add(a->on_term, NULL);
	event_add(a->on_int, NULL);
	event_add(a->on_hup, NULL);
	event_add(a->on_child, NULL);
	a->pool = pool_new(a->base, &a->settings, a->rundir);
	r = listener_open(a->pool, a->settings.pool_socket, &a->listener, err);
	if (r == 0)
		a->notify = notify_start(a->pool);
	return r;
}

static void app_run(struct app *a)
{
	daemon_notify("READY=1");
	log_notice("lending pages", "version=%s socket=%s pages=%lld browsers=%lld", pensum_version,
		   a->settings.pool_socket, (long long)a->pool->caps.pages,
		   (long long)a->pool->caps.browsers);
	event_base_dispatch(a->base);
	log_notice("stopped", "leased=%llu", (unsigned long long)a->pool->totals.leased);
}

static void app_close(struct app *a)
{
	notify_stop(a->notify);
	listener_close(a->listener);
	pool_free(a->pool);
	if (a->base != NULL) {
		event_free(a->on_term);
		event_free(a->on_int);
		event_free(a->on_hup);
		event_free(a->on_child);
		event_base_free(a->base);
	}
	rundir_close(a->rundir);
	settings_done(&a->settings);
}

int main(int argc, char **argv)
{
	struct app app = { 0 };
	struct error err;
	int r, done = options_start(&program, argc, argv, &app.settings);

	if (done >= 0)
		return done;
	log_open("browser-pool", (enum log_level)app.settings.log_level);
	daemon_prepare();
	r = app_open(&app, &err);
	if (r == 0)
		app_run(&app);
	else
		log_error("cannot start", "reason=\"%s\"", err.text);
	app_close(&app);
	return r == 0 ? EXIT_SUCCESS : options_exit_code(r);
}
