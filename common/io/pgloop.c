#include "pgloop.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "mem.h"
#include "pg.h"

#define CONNECT_MS   5000
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define QUEUE_MAX    4096

/*
 *	DOWN -> CONNECTING -> READY <-> BUSY
 *	any -> DOWN (lost; the timer then leads to CONNECTING)
 */
enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_READY, CONN_BUSY };

struct query {
	TAILQ_ENTRY(query) link; /* in the pool's queue, while conn is NULL */
	struct pgloop *pool;
	struct conn *conn;
	struct event *deadline;
	const char *sql;
	size_t param_count;
	char **params;
	pgloop_fn *fn;
	void *arg;
};

struct conn {
	struct pgloop *pool;
	enum conn_state state;
	PGconn *pg;
	struct event *io;    /* NULL while DOWN */
	struct event *timer; /* DOWN: time to connect; CONNECTING: too late */
	int pause_ms;
	struct query *query; /* BUSY */
	PGresult *result;    /* of query: its first error, or else the last one */
};

struct pgloop {
	struct event_base *base;
	char *conninfo; /* holds the password */
	struct event *pump;
	bool closed;
	char reason[256];
	size_t waiting_count;
	TAILQ_HEAD(, query) waiting;
	size_t conn_count;
	struct conn conns[];
};

struct pgloop_result {
	PGresult *res;
};

static void connect_start(struct conn *c);
static void on_io(evutil_socket_t fd, short what, void *arg);

static struct timeval timeval_of(int ms)
{
	return (struct timeval){ ms / 1000, ms % 1000 * 1000 };
}

static void set_timer(struct event *timer, int ms)
{
	struct timeval tv = timeval_of(ms);

	event_add(timer, &tv);
}

static void query_free(struct query *q)
{
	if (q->deadline != NULL)
		event_free(q->deadline);
	for (size_t i = 0; i < q->param_count; i++) {
		if (q->params[i] != NULL)
			mem_wipe(q->params[i], strlen(q->params[i])); /* may be a secret */
		free(q->params[i]);
	}
	free(q->params);
	free(q);
}

/* The one place that calls back. q is in no list and on no connection any more. */
static void query_end(struct query *q, PGresult *res, const struct error *err)
{
	struct pgloop_result result = { res };

	q->fn(res != NULL ? &result : NULL, err, q->arg);
	query_free(q);
}

static void query_fail(struct query *q, int code, const char *why)
{
	struct error err;

	error_set(&err, code, "postgres: %s", why);
	query_end(q, NULL, &err);
}

static void pump_soon(struct pgloop *p)
{
	event_active(p->pump, EV_TIMEOUT, 0);
}

/* libpq may have another socket than before, so the event is made anew. */
static void watch(struct conn *c, short events)
{
	if (c->io != NULL)
		event_free(c->io);
	c->io = event_new(c->pool->base, PQsocket(c->pg), (short)(events | EV_PERSIST), on_io, c);
	if (c->io == NULL)
		abort();
	event_add(c->io, NULL);
}

static void conn_close(struct conn *c)
{
	if (c->io != NULL)
		event_free(c->io);
	c->io = NULL;
	PQclear(c->result);
	c->result = NULL;
	PQfinish(c->pg);
	c->pg = NULL;
	event_del(c->timer);
	c->state = CONN_DOWN;
}

/* Back-off with jitter, so that several gateways do not come back in step. */
static void conn_lost(struct conn *c, int code, const char *why)
{
	struct query *q = c->query;
	int jitter = (int)(random() % (c->pause_ms / 2 + 1));
	const char *said = PQerrorMessage(c->pg);

	snprintf(c->pool->reason, sizeof(c->pool->reason), "%s: %.*s", why,
		 (int)strcspn(said, "\n"), said);
	c->query = NULL;
	conn_close(c);
	set_timer(c->timer, c->pause_ms / 2 + jitter);
	c->pause_ms = MIN(c->pause_ms * 2, PAUSE_MAX_MS);
	if (q != NULL)
		query_fail(q, code, why);
}

static void conn_ready(struct conn *c)
{
	event_del(c->timer);
	c->state = CONN_READY;
	c->pause_ms = PAUSE_MIN_MS;
	watch(c, EV_READ);
	pump_soon(c->pool);
}

static void connect_poll(struct conn *c)
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
			conn_ready(c);
			break;
		}
		/* fall through */
	default:
		conn_lost(c, -EIO, "cannot connect");
	}
}

static void no_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void connect_start(struct conn *c)
{
	c->state = CONN_CONNECTING;
	c->pg = PQconnectStart(c->pool->conninfo);
	if (c->pg == NULL)
		abort();
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		conn_lost(c, -EIO, "cannot connect");
		return;
	}
	PQsetNoticeReceiver(c->pg, no_notice, NULL);
	set_timer(c->timer, CONNECT_MS);
	watch(c, EV_WRITE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONN_CONNECTING)
		conn_lost(c, -EIO, "cannot connect in time");
	else if (c->state == CONN_DOWN)
		connect_start(c);
}

/* False: the connection has been given up. */
static bool flush(struct conn *c)
{
	int left = PQflush(c->pg);

	if (left < 0) {
		conn_lost(c, -EIO, "connection lost");
		return false;
	}
	watch(c, left > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

static void run(struct conn *c, struct query *q)
{
	c->state = CONN_BUSY;
	c->query = q;
	q->conn = c;
	if (PQsendQueryParams(c->pg, q->sql, (int)q->param_count, NULL,
			      (const char *const *)q->params, NULL, NULL, 0) == 0)
		conn_lost(c, -EIO, "connection lost");
	else
		flush(c);
}

static struct conn *find_ready(struct pgloop *p)
{
	for (size_t i = 0; i < p->conn_count; i++)
		if (p->conns[i].state == CONN_READY)
			return &p->conns[i];
	return NULL;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct pgloop *p = arg;
	struct query *q;
	struct conn *c;

	(void)fd;
	(void)what;
	while ((q = TAILQ_FIRST(&p->waiting)) != NULL && (c = find_ready(p)) != NULL) {
		TAILQ_REMOVE(&p->waiting, q, link);
		p->waiting_count--;
		run(c, q);
	}
}

/* What a failed statement means to the caller: the server ends (class 57P), it took too long, or
 * it was refused. */
static int error_code(const char *sqlstate)
{
	if (strncmp(sqlstate, "57P", 3) == 0)
		return -EIO;
	return strcmp(sqlstate, "57014") == 0 ? -ETIMEDOUT : -EPROTO;
}

static bool describe(const PGresult *res, struct error *err)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return true;
	state = state != NULL ? state : "XX000";
	error_set(err, error_code(state), "%s: %s", state, message != NULL ? message : "?");
	return false;
}

static void finish(struct conn *c)
{
	struct query *q = c->query;
	PGresult *res = c->result;
	struct error err;
	bool good;

	if (res == NULL || PQstatus(c->pg) == CONNECTION_BAD) {
		conn_lost(c, -EIO, "connection lost");
		return;
	}
	c->query = NULL;
	c->result = NULL;
	c->state = CONN_READY;
	good = describe(res, &err);
	if (!good && err.code == -EIO)
		conn_lost(c, -EIO, "the server ends");
	else
		pump_soon(c->pool);
	query_end(q, good ? res : NULL, good ? NULL : &err);
	PQclear(res);
}

static bool keep(struct conn *c, PGresult *res)
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

static void receive(struct conn *c)
{
	if (PQconsumeInput(c->pg) == 0) {
		conn_lost(c, -EIO, "connection lost");
		return;
	}
	while (c->state == CONN_BUSY && PQisBusy(c->pg) == 0) {
		PGresult *res = PQgetResult(c->pg);

		if (res == NULL)
			finish(c);
		else if (!keep(c, res))
			conn_lost(c, -EPROTO, "COPY is not for pgloop");
	}
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

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

/* What runs cannot be called back (PQcancel blocks): its connection goes, and the server's
 * statement_timeout ends the rest. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct query *q = arg;

	(void)fd;
	(void)what;
	if (q->conn != NULL) {
		conn_lost(q->conn, -ETIMEDOUT, "no answer in time");
		return;
	}
	TAILQ_REMOVE(&q->pool->waiting, q, link);
	q->pool->waiting_count--;
	query_fail(q, -ETIMEDOUT, "no connection in time");
}

int pgloop_query(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		 const char *const *params, pgloop_fn *fn, void *arg, struct error *err)
{
	struct query *q;

	if (p->closed)
		return error_set(err, -ESHUTDOWN, "postgres: closed");
	if (p->waiting_count >= QUEUE_MAX)
		return error_set(err, -EAGAIN, "postgres: %d queries wait already", QUEUE_MAX);
	q = mem_zalloc(sizeof(*q));
	*q = (struct query){ .pool = p, .sql = sql, .param_count = param_count, .fn = fn,
			     .arg = arg };
	q->params = mem_zalloc_array(param_count + 1, sizeof(*q->params));
	for (size_t i = 0; i < param_count; i++)
		q->params[i] = params[i] == NULL ? NULL : mem_strdup(params[i]);
	q->deadline = evtimer_new(p->base, on_deadline, q);
	set_timer(q->deadline, timeout_ms);
	TAILQ_INSERT_TAIL(&p->waiting, q, link);
	p->waiting_count++;
	pump_soon(p);
	return 0;
}

int pgloop_new(struct event_base *base, const struct settings *s, int connections,
	       struct pgloop **ret, struct error *err)
{
	size_t count = (size_t)connections;
	struct pgloop *p;
	char *conninfo;
	int r = pg_conninfo(s, "pensum-gateway", &conninfo, err);

	if (r < 0)
		return r;
	p = mem_zalloc(sizeof(*p) + count * sizeof(p->conns[0]));
	p->base = base;
	p->conninfo = conninfo;
	p->conn_count = count;
	TAILQ_INIT(&p->waiting);
	p->pump = event_new(base, -1, 0, on_pump, p);
	for (size_t i = 0; i < count; i++) {
		p->conns[i].pool = p;
		p->conns[i].pause_ms = PAUSE_MIN_MS;
		p->conns[i].timer = evtimer_new(base, on_timer, &p->conns[i]);
		set_timer(p->conns[i].timer, 0);
	}
	*ret = p;
	return 0;
}

bool pgloop_is_up(const struct pgloop *p)
{
	for (size_t i = 0; i < p->conn_count; i++)
		if (p->conns[i].state == CONN_READY || p->conns[i].state == CONN_BUSY)
			return true;
	return false;
}

const char *pgloop_reason(const struct pgloop *p)
{
	return p->reason;
}

void pgloop_close(struct pgloop *p)
{
	struct query *q;

	p->closed = true;
	for (size_t i = 0; i < p->conn_count; i++) {
		q = p->conns[i].query;
		p->conns[i].query = NULL;
		conn_close(&p->conns[i]);
		if (q != NULL)
			query_fail(q, -ESHUTDOWN, "closed");
	}
	while ((q = TAILQ_FIRST(&p->waiting)) != NULL) {
		TAILQ_REMOVE(&p->waiting, q, link);
		p->waiting_count--;
		query_fail(q, -ESHUTDOWN, "closed");
	}
}

void pgloop_free(struct pgloop *p)
{
	if (p == NULL)
		return;
	pgloop_close(p);
	for (size_t i = 0; i < p->conn_count; i++)
		event_free(p->conns[i].timer);
	event_free(p->pump);
	mem_wipe(p->conninfo, strlen(p->conninfo));
	free(p->conninfo);
	free(p);
}

size_t pgloop_rows(const struct pgloop_result *r)
{
	return (size_t)PQntuples(r->res);
}

const char *pgloop_value(const struct pgloop_result *r, size_t row, size_t column)
{
	if (PQgetisnull(r->res, (int)row, (int)column))
		return NULL;
	return PQgetvalue(r->res, (int)row, (int)column);
}
