#include "health.h"

#include <event2/event.h>
#include <jansson.h>
#include <string.h>
#include <sys/pidfd.h>

#include "browser.h"
#include "buf.h"
#include "fd.h"
#include "file.h"
#include "frames.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "timer.h"

#define PING_MS		500
#define PING_MISSES	12
#define MAX_CMDLINE	(64 * 1024)
#define NETWORK_PROCESS "--utility-sub-type=network.mojom.NetworkService"

struct health {
	struct browser *browser;
	struct event *timer;
	unsigned missed;
	int64_t ping_ms; /* when it was sent, while one is open; 0: none is */
	uint64_t bytes_at_ping;
	int network_fd; /* a pidfd; -1 while the process has not been found */
	struct event *network_end;
};

/* The network process */

static void on_network_end(evutil_socket_t fd, short what, void *arg)
{
	struct health *h = arg;

	(void)fd;
	(void)what;
	browser_kill(h->browser, POOL_REASON_BROWSER_GONE, "its network process ended");
}

static bool is_network_process(pid_t pid)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%d/cmdline", (int)pid);
	CLEANUP(buf_done) struct buf line = BUF_INIT;

	return file_read(path, MAX_CMDLINE, &line, NULL) == 0 &&
	       memmem(line.data, line.len, NETWORK_PROCESS, strlen(NETWORK_PROCESS)) != NULL;
}

static void watch_network(struct health *h, pid_t pid)
{
	h->network_fd = pidfd_open(pid, 0); /* close-on-exec by itself */
	if (h->network_fd < 0)
		return;
	h->network_end =
		event_new(h->browser->pool->base, h->network_fd, EV_READ, on_network_end, h);
	event_add(h->network_end, NULL);
	log_debug("network process found", "browser=%u pid=%d", h->browser->id, (int)pid);
}

static void on_processes(void *arg, json_t *result, const char *error)
{
	struct health *h = arg;
	json_t *info;
	size_t i;

	(void)error;
	json_array_foreach (json_object_get(result, "processInfo"), i, info) {
		pid_t pid = (pid_t)json_integer_value(json_object_get(info, "id"));

		if (h->network_fd < 0 && pid > 0 && is_network_process(pid))
			watch_network(h, pid);
	}
}

/* Pings */

static void on_pong(void *arg, json_t *result, const char *error)
{
	struct health *h = arg;

	(void)result;
	(void)error;
	h->ping_ms = 0;
	h->missed = 0;
}

void health_ping_now(struct health *h)
{
	if (h == NULL || h->ping_ms != 0)
		return;
	h->ping_ms = clock_now_ms();
	browser_call(h->browser, NULL, "Browser.getVersion", NULL, on_pong, h);
}

static void ping(struct health *h)
{
	health_ping_now(h);
	if (h->network_fd < 0)
		browser_call(h->browser, NULL, "SystemInfo.getProcessInfo", NULL, on_processes, h);
	h->bytes_at_ping = frames_read_bytes(h->browser->pipe);
	timer_set(h->timer, PING_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct health *h = arg;

	(void)fd;
	(void)what;
	if (h->ping_ms != 0 && frames_read_bytes(h->browser->pipe) == h->bytes_at_ping)
		h->missed++;
	else
		h->missed = 0;
	if (h->missed == PING_MISSES)
		browser_kill(h->browser, POOL_REASON_BROWSER_GONE, "hung");
	else
		ping(h);
}

int64_t health_silent_ms(const struct health *h)
{
	return h != NULL ? h->missed * (int64_t)PING_MS : 0;
}

int64_t health_ping_ms(const struct health *h)
{
	return h != NULL ? h->ping_ms : 0;
}

struct health *health_start(struct browser *b)
{
	struct health *h = mem_zalloc(sizeof(*h));

	h->browser = b;
	h->network_fd = -1;
	h->timer = event_new(b->pool->base, -1, 0, on_timer, h);
	ping(h);
	return h;
}

static void free_now(void *arg)
{
	struct health *h = arg;

	event_free(h->timer);
	if (h->network_end != NULL)
		event_free(h->network_end);
	fd_close(&h->network_fd);
	free(h);
}

void health_stop(struct health *h)
{
	if (h == NULL)
		return;
	event_del(h->timer);
	if (h->network_end != NULL)
		event_del(h->network_end);
	defer_call(h->browser->pool->defer, free_now, h);
}
