#include "pgloop_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#define CONNECT_MS   5000
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_UP };

struct pgloop_conn {
	const char *conninfo;
	const struct pgloop_conn_ops *ops;
	void *arg;
	struct event_base *base;
	enum conn_state state;
	PGconn *pg;
	struct event *io; /* NULL while DOWN */
	int io_fd;
	short io_events;
	struct event *timer; /* DOWN: time to connect; CONNECTING: too late */
	int pause_ms;
	int64_t try_at_ms; /* DOWN: when the timer fires */

	struct pgloop_pipe pipe;
};

static void on_io(evutil_socket_t fd, short what, void *arg);

static void set_timer(struct event *timer, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &tv);
}

/* Changed only when it must be. While it connects that is always: libpq may have closed its socket
 * and have another one (the next host, or address of a host), which got the same number. */
static void watch(struct pgloop_conn *c, short events)
{
	int fd = PQsocket(c->pg);

	if (c->state == CONN_UP && c->io != NULL && c->io_fd == fd && c->io_events == events)
		return;
	if (c->io != NULL)
		event_free(c->io);
	c->io_fd = fd;
	c->io_events = events;
	c->io = event_new(c->base, fd, (short)(events | EV_PERSIST), on_io, c);
	if (c->io == NULL)
		abort();
	event_add(c->io, NULL);
}

static void go_down(struct pgloop_conn *c)
{
	if (c->io != NULL)
		event_free(c->io);
	c->io = NULL;
	pgloop_pipe_close(&c->pipe);
	PQfinish(c->pg);
	c->pg = NULL;
	event_del(c->timer);
	c->state = CONN_DOWN;
}

/* Takes all that is under way out, before the connection goes. */
static size_t take_all(struct pgloop_conn *c, void *queries[PGLOOP_PIPE_MAX])
{
	size_t count = 0;
	void *query;

	while ((query = pgloop_pipe_take(&c->pipe)) != NULL)
		queries[count++] = query;
	return count;
}

static void fail_all(struct pgloop_conn *c, void *const *queries, size_t count, int code,
		     const char *why)
{
	struct error err;

	error_set(&err, code, "postgres: %s", why);
	for (size_t i = 0; i < count; i++)
		c->ops->done(c->arg, queries[i], NULL, &err);
}

/* Back-off with jitter, so that several gateways do not come back in step. */
static void lose(struct pgloop_conn *c, int code, const char *why)
{
	int jitter = (int)(random() % (c->pause_ms / 2 + 1));
	const char *said = PQerrorMessage(c->pg);
	void *queries[PGLOOP_PIPE_MAX];
	size_t count = take_all(c, queries);
	char reason[256];

	snprintf(reason, sizeof(reason), "%s: %.*s", why, (int)strcspn(said, "\n"), said);
	go_down(c);
	set_timer(c->timer, c->pause_ms / 2 + jitter);
	c->try_at_ms = clock_now_ms() + c->pause_ms / 2 + jitter;
	c->pause_ms = MIN(c->pause_ms * 2, PAUSE_MAX_MS);
	c->ops->lost(c->arg, reason);
	fail_all(c, queries, count, code, why);
}

void pgloop_conn_give_up(struct pgloop_conn *c, int code, const char *why)
{
	lose(c, code, why);
}

/* Connecting */

static void become_ready(struct pgloop_conn *c)
{
	event_del(c->timer);
	c->state = CONN_UP;
	c->pause_ms = PAUSE_MIN_MS;
	watch(c, EV_READ);
	c->ops->ready(c->arg);
}

static void connect_poll(struct pgloop_conn *c)
{
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		watch(c, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch(c, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		if (pgloop_pipe_open(&c->pipe, c->pg)) {
			become_ready(c);
			break;
		}
		/* fall through */
	default:
		lose(c, -EIO, "cannot connect");
	}
}

static void no_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void connect_start(struct pgloop_conn *c)
{
	c->state = CONN_CONNECTING;
	c->pg = PQconnectStart(c->conninfo);
	if (c->pg == NULL)
		abort();
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		lose(c, -EIO, "cannot connect");
		return;
	}
	PQsetNoticeReceiver(c->pg, no_notice, NULL);
	set_timer(c->timer, CONNECT_MS);
	watch(c, EV_WRITE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pgloop_conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_CONNECTING)
		lose(c, -EIO, "cannot connect in time");
	else if (c->state == CONN_DOWN)
		connect_start(c);
}

/* Running */

/* False: the connection has been given up. */
static bool flush(struct pgloop_conn *c)
{
	int left = PQflush(c->pg);

	if (left < 0) {
		lose(c, -EIO, "connection lost");
		return false;
	}
	watch(c, left > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

void pgloop_conn_run(struct pgloop_conn *c, const struct pgloop_sent *what)
{
	if (!pgloop_pipe_send(&c->pipe, what))
		lose(c, -EIO, "connection lost");
	else
		flush(c);
}

static void receive(struct pgloop_conn *c)
{
	enum pgloop_pipe_step step = PGLOOP_PIPE_BROKEN;
	struct pgloop_answer answer;

	if (PQconsumeInput(c->pg) == 0) {
		lose(c, -EIO, "connection lost");
		return;
	}
	/* done() may close us. */
	while (c->state == CONN_UP &&
	       (step = pgloop_pipe_next(&c->pipe, &answer)) == PGLOOP_PIPE_ANSWERED) {
		c->ops->done(c->arg, answer.query, answer.result,
			     answer.result == NULL ? &answer.error : NULL);
		PQclear(answer.result);
	}
	if (c->state != CONN_UP)
		return;
	if (step == PGLOOP_PIPE_BROKEN)
		lose(c, answer.error.code, answer.error.text);
	else if (flush(c))
		c->ops->ready(c->arg);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct pgloop_conn *c = arg;

	(void)fd;
	if (c->state == CONN_CONNECTING) {
		connect_poll(c);
		return;
	}
	if ((what & EV_WRITE) != 0 && !flush(c))
		return;
	if ((what & EV_READ) != 0)
		receive(c);
}

/* Life */

struct pgloop_conn *pgloop_conn_new(struct event_base *base, const char *conninfo,
				    const struct pgloop_conn_ops *ops, void *arg)
{
	struct pgloop_conn *c = mem_zalloc(sizeof(*c));

	c->base = base;
	c->conninfo = conninfo;
	c->ops = ops;
	c->arg = arg;
	c->pause_ms = PAUSE_MIN_MS;
	c->timer = evtimer_new(base, on_timer, c);
	set_timer(c->timer, 0);
	return c;
}

void pgloop_conn_close(struct pgloop_conn *c)
{
	void *queries[PGLOOP_PIPE_MAX];
	size_t count = take_all(c, queries);

	go_down(c);
	fail_all(c, queries, count, -ESHUTDOWN, "closed");
}

void pgloop_conn_free(struct pgloop_conn *c)
{
	event_free(c->timer);
	free(c);
}

int pgloop_conn_load(const struct pgloop_conn *c, bool quick)
{
	return c->state == CONN_UP && pgloop_pipe_has_room(&c->pipe, quick) ? (int)c->pipe.count
									    : -1;
}

int64_t pgloop_conn_pause_ms(const struct pgloop_conn *c)
{
	return c->state == CONN_DOWN ? MAX(0, c->try_at_ms - clock_now_ms()) : 0;
}

bool pgloop_conn_is_up(const struct pgloop_conn *c)
{
	return c->state == CONN_UP;
}
