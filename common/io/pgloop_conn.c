#include "pgloop_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "pg_prepared.h"

#define CONNECT_MS   5000
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_READY, CONN_BUSY };

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

	bool running; /* BUSY, and done() not yet called for what follows */
	const char *sql;
	size_t param_count;
	const char *const *params;
	void *query;
	bool preparing;	  /* the answer that comes is that of the preparation */
	PGresult *result; /* its first error, or else the last one */

	struct pg_prepared prepared;
};

static void on_io(evutil_socket_t fd, short what, void *arg);

static void set_timer(struct event *timer, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &tv);
}

/* libpq may have another socket than before; else the event is changed only when it must be. */
static void watch(struct pgloop_conn *c, short events)
{
	int fd = PQsocket(c->pg);

	if (c->io != NULL && c->io_fd == fd && c->io_events == events)
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
	PQclear(c->result);
	c->result = NULL;
	PQfinish(c->pg);
	c->pg = NULL;
	pg_prepared_clear(&c->prepared);
	event_del(c->timer);
	c->state = CONN_DOWN;
}

/* The one place that ends a query. */
static void end_query(struct pgloop_conn *c, PGresult *res, const struct error *err)
{
	if (!c->running)
		return;
	c->running = false;
	c->ops->done(c->arg, c->query, res, err);
}

static void fail_query(struct pgloop_conn *c, int code, const char *why)
{
	struct error err;

	error_set(&err, code, "postgres: %s", why);
	end_query(c, NULL, &err);
}

/* Back-off with jitter, so that several gateways do not come back in step. */
static void lose(struct pgloop_conn *c, int code, const char *why)
{
	int jitter = (int)(random() % (c->pause_ms / 2 + 1));
	const char *said = PQerrorMessage(c->pg);
	char reason[256];

	snprintf(reason, sizeof(reason), "%s: %.*s", why, (int)strcspn(said, "\n"), said);
	go_down(c);
	set_timer(c->timer, c->pause_ms / 2 + jitter);
	c->try_at_ms = clock_now_ms() + c->pause_ms / 2 + jitter;
	c->pause_ms = MIN(c->pause_ms * 2, PAUSE_MAX_MS);
	c->ops->lost(c->arg, reason);
	fail_query(c, code, why);
}

void pgloop_conn_give_up(struct pgloop_conn *c, int code, const char *why)
{
	lose(c, code, why);
}

/* Connecting */

static void become_ready(struct pgloop_conn *c)
{
	event_del(c->timer);
	c->state = CONN_READY;
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
		if (PQsetnonblocking(c->pg, 1) == 0) {
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

/* What is to be sent next for the query that runs. */
static void send_on(struct pgloop_conn *c)
{
	char name[PG_PREPARED_NAME];
	enum pg_prepared_how how = pg_prepared_how(&c->prepared, c->sql, name);
	int count = (int)c->param_count, sent;

	c->preparing = how == PG_SEND_PREPARE;
	if (how == PG_SEND_PREPARE)
		sent = PQsendPrepare(c->pg, name, c->sql, count, NULL);
	else if (how == PG_SEND_EXECUTE)
		sent = PQsendQueryPrepared(c->pg, name, count, c->params, NULL, NULL, 0);
	else
		sent = PQsendQueryParams(c->pg, c->sql, count, NULL, c->params, NULL, NULL, 0);
	if (sent == 0)
		lose(c, -EIO, "connection lost");
	else
		flush(c);
}

void pgloop_conn_run(struct pgloop_conn *c, const char *sql, size_t param_count,
		     const char *const *params, void *query)
{
	c->state = CONN_BUSY;
	c->running = true;
	c->sql = sql;
	c->param_count = param_count;
	c->params = params;
	c->query = query;
	send_on(c);
}

/* What a failed statement means to the caller: the server ends (class 57P), it took too long, or
 * it was refused. */
static int error_code(const char *sqlstate)
{
	if (strncmp(sqlstate, "57P", 3) == 0)
		return -EIO;
	return strcmp(sqlstate, "57014") == 0 ? -ETIMEDOUT : -EPROTO;
}

static const char *sqlstate_of(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return state != NULL ? state : "XX000";
}

static bool describe(const PGresult *res, struct error *err)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return true;
	error_set(err, error_code(sqlstate_of(res)), "%s: %s", sqlstate_of(res),
		  message != NULL ? message : "?");
	return false;
}

/* True: the query goes on with another message to the server. */
static bool goes_on(struct pgloop_conn *c, const PGresult *res, bool good)
{
	if (good && c->preparing) {
		pg_prepared_add(&c->prepared, c->sql);
		return true;
	}
	if (good || c->prepared.off || !pg_prepared_is_refusal(sqlstate_of(res)))
		return false;
	c->prepared.off = true;
	pg_prepared_clear(&c->prepared);
	return true;
}

static void finish(struct pgloop_conn *c)
{
	PGresult *res = c->result;
	struct error err;
	bool good;

	if (res == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		lose(c, -EIO, "connection lost");
		return;
	}
	c->result = NULL;
	good = describe(res, &err);
	if (goes_on(c, res, good)) {
		PQclear(res);
		send_on(c);
		return;
	}
	if (!good && err.code == -EIO) {
		PQclear(res);
		lose(c, -EIO, "the server ends");
		return;
	}
	c->state = CONN_READY;
	end_query(c, good ? res : NULL, good ? NULL : &err);
	PQclear(res);
	if (c->state == CONN_READY) /* the callback may have closed us */
		c->ops->ready(c->arg);
}

static bool keep(struct pgloop_conn *c, PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	if (c->result == NULL || PQresultStatus(c->result) != PGRES_FATAL_ERROR) {
		PQclear(c->result);
		c->result = res;
	} else {
		PQclear(res);
	}
	return status != PGRES_COPY_IN && status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH;
}

static void receive(struct pgloop_conn *c)
{
	if (PQconsumeInput(c->pg) == 0) {
		lose(c, -EIO, "connection lost");
		return;
	}
	while (c->state == CONN_BUSY && PQisBusy(c->pg) == 0) {
		PGresult *res = PQgetResult(c->pg);

		if (res == NULL)
			finish(c);
		else if (!keep(c, res))
			lose(c, -EPROTO, "COPY is not for pgloop");
	}
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
	go_down(c);
	fail_query(c, -ESHUTDOWN, "closed");
}

void pgloop_conn_free(struct pgloop_conn *c)
{
	event_free(c->timer);
	free(c);
}

bool pgloop_conn_is_ready(const struct pgloop_conn *c)
{
	return c->state == CONN_READY;
}

int64_t pgloop_conn_pause_ms(const struct pgloop_conn *c)
{
	return c->state == CONN_DOWN ? MAX(0, c->try_at_ms - clock_now_ms()) : 0;
}

bool pgloop_conn_is_up(const struct pgloop_conn *c)
{
	return c->state == CONN_READY || c->state == CONN_BUSY;
}
