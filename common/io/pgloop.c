#include "pgloop.h"

#include <errno.h>
#include <limits.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "mem.h"
#include "pg.h"
#include "pg_refusal.h"
#include "pgloop_conn.h"

#define QUEUE_MAX    4096
#define RETRY_MAX_MS 30000
#define REFUSED_MS   15000 /* a refused write is told for so long */

struct query {
	TAILQ_ENTRY(query) link; /* in the pool's queue, while conn is NULL */
	struct pgloop *pool;
	struct pgloop_conn *conn;
	struct event *deadline;
	const char *sql;
	size_t param_count;
	char **params;
	bool quick;
	pgloop_fn *fn;
	void *arg;
};

struct pgloop {
	struct event_base *base;
	char *conninfo; /* holds the password */
	struct event *pump;
	bool closed;
	char reason[256];
	char refusal[256];
	struct deadline refused_until;
	int64_t away_since_ms; /* since when no connection has stood; 0: one does, at the last look */
	size_t waiting_count;
	TAILQ_HEAD(, query) waiting;
	size_t conn_count;
	struct pgloop_conn *conns[];
};

struct pgloop_result {
	PGresult *res;
};

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

static struct query *take_first(struct pgloop *p)
{
	struct query *q = TAILQ_FIRST(&p->waiting);

	if (q != NULL) {
		TAILQ_REMOVE(&p->waiting, q, link);
		p->waiting_count--;
	}
	return q;
}

/* The one with the least to do. NULL: none has room. */
static struct pgloop_conn *find_ready(struct pgloop *p, bool quick)
{
	struct pgloop_conn *best = NULL;
	int least = INT_MAX;

	for (size_t i = 0; i < p->conn_count && least > 0; i++) {
		int load = pgloop_conn_load(p->conns[i], quick);

		if (load < 0 || load >= least)
			continue;
		least = load;
		best = p->conns[i];
	}
	return best;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct pgloop *p = arg;
	struct pgloop_conn *c;
	struct query *q;

	(void)fd;
	(void)what;
	while ((q = TAILQ_FIRST(&p->waiting)) != NULL && (c = find_ready(p, q->quick)) != NULL) {
		take_first(p);
		q->conn = c;
		pgloop_conn_run(c, &(struct pgloop_sent){
					   .sql = q->sql,
					   .param_count = q->param_count,
					   .params = (const char *const *)q->params,
					   .query = q,
					   .quick = q->quick,
				   });
	}
}

static void pump_soon(struct pgloop *p)
{
	event_active(p->pump, EV_TIMEOUT, 0);
}

static void on_ready(void *arg)
{
	struct pgloop *p = arg;

	p->away_since_ms = 0;
	pump_soon(p);
}

static void on_done(void *arg, void *query, PGresult *res, const struct error *err)
{
	struct pgloop *p = arg;

	if (err != NULL && err->code == -EAGAIN && pg_refusal_is_of_server(err->text)) {
		snprintf(p->refusal, sizeof(p->refusal), "%s", err->text);
		p->refused_until = deadline_in(REFUSED_MS);
	}
	query_end(query, res, err);
}

static void on_lost(void *arg, const char *reason)
{
	struct pgloop *p = arg;

	snprintf(p->reason, sizeof(p->reason), "%s", reason);
	if (p->away_since_ms == 0 && !pgloop_is_up(p))
		p->away_since_ms = clock_now_ms();
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct query *q = arg;

	(void)fd;
	(void)what;
	if (q->conn != NULL) {
		pgloop_conn_give_up(q->conn, -ETIMEDOUT, "no answer in time");
		return;
	}
	TAILQ_REMOVE(&q->pool->waiting, q, link);
	q->pool->waiting_count--;
	query_fail(q, -ETIMEDOUT, "no connection in time");
}

static int add_query(struct pgloop *p, bool quick, int timeout_ms, const char *sql,
		     size_t param_count, const char *const *params, pgloop_fn *fn, void *arg,
		     struct error *err)
{
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct query *q;

	if (p->closed)
		return error_set(err, -ESHUTDOWN, "postgres: closed");
	if (p->waiting_count >= QUEUE_MAX)
		return error_set(err, -EAGAIN, "postgres: %d queries wait already", QUEUE_MAX);
	q = mem_zalloc(sizeof(*q));
	*q = (struct query){ .pool = p,
			     .sql = sql,
			     .param_count = param_count,
			     .quick = quick,
			     .fn = fn,
			     .arg = arg };
	q->params = mem_zalloc_array(param_count + 1, sizeof(*q->params));
	for (size_t i = 0; i < param_count; i++)
		q->params[i] = params[i] == NULL ? NULL : mem_strdup(params[i]);
	q->deadline = evtimer_new(p->base, on_deadline, q);
	event_add(q->deadline, &tv);
	TAILQ_INSERT_TAIL(&p->waiting, q, link);
	p->waiting_count++;
	pump_soon(p);
	return 0;
}

int pgloop_query(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		 const char *const *params, pgloop_fn *fn, void *arg, struct error *err)
{
	return add_query(p, false, timeout_ms, sql, param_count, params, fn, arg, err);
}

int pgloop_query_quick(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		       const char *const *params, pgloop_fn *fn, void *arg, struct error *err)
{
	return add_query(p, true, timeout_ms, sql, param_count, params, fn, arg, err);
}

int pgloop_new(struct event_base *base, const struct settings *s, int connections,
	       struct pgloop **ret, struct error *err)
{
	static const struct pgloop_conn_ops ops = { .ready = on_ready,
						    .done = on_done,
						    .lost = on_lost };
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
	p->away_since_ms = clock_now_ms();
	TAILQ_INIT(&p->waiting);
	p->pump = event_new(base, -1, 0, on_pump, p);
	for (size_t i = 0; i < count; i++)
		p->conns[i] = pgloop_conn_new(base, p->conninfo, &ops, p);
	*ret = p;
	return 0;
}

bool pgloop_is_up(const struct pgloop *p)
{
	for (size_t i = 0; i < p->conn_count; i++)
		if (pgloop_conn_is_up(p->conns[i]))
			return true;
	return false;
}

int pgloop_retry_ms(const struct pgloop *p)
{
	int64_t now = clock_now_ms(), pause = RETRY_MAX_MS;

	if (pgloop_is_up(p))
		return 0;
	for (size_t i = 0; i < p->conn_count; i++)
		pause = MIN(pause, pgloop_conn_pause_ms(p->conns[i]));
	return (int)MAX(pause, MIN((now - p->away_since_ms) / 2, RETRY_MAX_MS));
}

const char *pgloop_reason(const struct pgloop *p)
{
	return p->reason;
}

const char *pgloop_refusal(const struct pgloop *p)
{
	bool lately = p->refusal[0] != '\0' && !deadline_is_over(p->refused_until);

	return lately && pgloop_is_up(p) ? p->refusal : NULL;
}

void pgloop_close(struct pgloop *p)
{
	struct query *q;

	p->closed = true;
	for (size_t i = 0; i < p->conn_count; i++)
		pgloop_conn_close(p->conns[i]);
	while ((q = take_first(p)) != NULL)
		query_fail(q, -ESHUTDOWN, "closed");
}

void pgloop_free(struct pgloop *p)
{
	if (p == NULL)
		return;
	pgloop_close(p);
	for (size_t i = 0; i < p->conn_count; i++)
		pgloop_conn_free(p->conns[i]);
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
