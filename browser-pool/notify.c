#include "notify.h"

#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon.h"
#include "mem.h"
#include "pool.h"

#define STATUS_PAUSE_S 5

struct notify {
	const struct pool *pool;
	char said[128];
	struct event *status, *watchdog;
};

static void on_status(evutil_socket_t fd, short what, void *arg)
{
	struct notify *n = arg;
	const struct pool *p = n->pool;
	char text[sizeof(n->said)];

	(void)fd;
	(void)what;
	snprintf(text, sizeof(text), "%u pages lent, %u wait, %u browsers%s",
		 p->context_count[CONTEXT_LENT], waiting_count(p->waiting), pool_browser_count(p),
		 p->paused ? ", paused" : "");
	if (strcmp(text, n->said) == 0)
		return;
	memcpy(n->said, text, sizeof(text));
	daemon_notify("STATUS=%s", text);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	daemon_notify("WATCHDOG=1");
}

/* As sd_watchdog_enabled(3): 0 when nobody watches, or somebody else is watched. */
static int64_t watchdog_usec(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && atoll(pid) != getpid()))
		return 0;
	return MAX(0, atoll(usec));
}

struct notify *notify_start(const struct pool *p)
{
	struct notify *n = mem_zalloc(sizeof(*n));
	struct timeval pause = { STATUS_PAUSE_S, 0 };
	int64_t half = watchdog_usec() / 2;
	struct timeval beat = { half / 1000000, half % 1000000 };

	n->pool = p;
	n->status = event_new(p->base, -1, EV_PERSIST, on_status, n);
	n->watchdog = event_new(p->base, -1, EV_PERSIST, on_watchdog, n);
	event_add(n->status, &pause);
	if (half > 0)
		event_add(n->watchdog, &beat);
	return n;
}

void notify_stop(struct notify *n)
{
	if (n == NULL)
		return;
	event_free(n->status);
	event_free(n->watchdog);
	free(n);
}
