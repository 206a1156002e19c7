#include "submit_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api_call.h"
#include "buf.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "pg_refusal.h"

#define SHARED_MAX 16 /* submissions in a transaction */
/* Such transactions at one time; the other connections are for those who read. */
#define UNDERWAY_MAX 2

/* In its request's arena. */
struct entry {
	TAILQ_ENTRY(entry) link; /* in its queue's pending ones */
	struct submit_queue *queue;
	bool pending;
	struct deadline deadline; /* for its turn */
	struct request *r;
	const char *text;
	submit_rows_fn *fn;
	void *arg;
};

struct submit_queue {
	struct gateway *g;
	struct event *pump;
	size_t underway;
	TAILQ_HEAD(, entry) pending;
};

struct transaction {
	struct submit_queue *queue;
	bool alone; /* it may wait for its student, and nobody waits for it */
	bool early;
	size_t count;
	struct entry *entries[SHARED_MAX];
};

const char *submit_rows_value(const struct submit_rows *rows, size_t row, size_t column)
{
	return pgloop_value(rows->all, rows->first + row, column);
}

static void got_rows(const struct pgloop_result *rows, const struct error *err, void *arg);

/* What a crash of the server can take back of an early one is a job that nobody was told is there. It may
 * run already, as one whose claim is gone (claim.c): who runs it can commit nothing, and tells no more than
 * that it starts before he has found so. Who asked has had a 503 or no answer, and asks again. Sign-ins,
 * whose job uses the password up, do not come this way. */
#define SUBMIT_SQL "pensum.jobs_submit_each($1::jsonb, $2::boolean)"

/* Takes t. */
static void send_all(struct transaction *t)
{
	static const char waiting[] = "SELECT outcome, job, place FROM " SUBMIT_SQL;
	static const char early[] = "SELECT outcome, job, place FROM set_config("
				    "'synchronous_commit', 'off', true), " SUBMIT_SQL;
	struct pgloop *pg = t->queue->g->pg;
	CLEANUP(buf_done) struct buf all = BUF_INIT;
	const char *params[2];

	for (size_t i = 0; i < t->count; i++) {
		buf_add_char(&all, i == 0 ? '[' : ',');
		buf_add_str(&all, t->entries[i]->text);
	}
	buf_add_char(&all, ']');
	params[0] = all.data;
	params[1] = t->alone ? "true" : "false";
	t->queue->underway += !t->alone;
	if ((t->alone ? pgloop_query : pgloop_query_quick)(
		    pg, pgloop_is_up(pg) ? API_QUERY_MS : API_QUERY_AWAY_MS,
		    t->early ? early : waiting, ARRAY_LEN(params), params, got_rows, t,
		    NULL) == 0)
		return;
	t->queue->underway -= !t->alone;
	for (size_t i = 0; i < t->count; i++)
		api_reply_away(t->entries[i]->r);
	free(t);
}

static void send_alone(struct entry *e)
{
	struct transaction *t = mem_zalloc(sizeof(*t));

	*t = (struct transaction){ .queue = e->queue, .alone = true, .count = 1, .entries = { e } };
	send_all(t);
}

/* NULL: there is none. Those who have waited too long are told so. */
static struct entry *take_pending(struct submit_queue *q)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&q->pending)) != NULL) {
		TAILQ_REMOVE(&q->pending, e, link);
		e->pending = false;
		if (!deadline_is_over(e->deadline))
			break;
		api_reply_away(e->r);
	}
	return e;
}

static void send_pending(struct submit_queue *q)
{
	struct entry *e;

	while (q->underway < UNDERWAY_MAX && (e = take_pending(q)) != NULL) {
		struct transaction *t = mem_zalloc(sizeof(*t));

		t->queue = q;
		do
			t->entries[t->count++] = e;
		while (t->count < SHARED_MAX && (e = take_pending(q)) != NULL);
		t->early = t->count == 1 && q->underway == 0;
		send_all(t);
	}
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_pending(arg);
}

static void give_rows(struct entry *e, const struct submit_rows *rows)
{
	if (strcmp(submit_rows_value(rows, 0, 0), "busy") == 0)
		send_alone(e);
	else
		e->fn(e->queue->g, e->r, rows, e->arg);
}

static void give_all_rows(struct transaction *t, const struct pgloop_result *all)
{
	struct submit_rows rows = { .all = all, .early = t->early };

	for (size_t i = 0; i < t->count; i++) {
		rows.first += rows.count;
		rows.count = 0;
		while (rows.first + rows.count < pgloop_rows(all) &&
		       api_int_value(all, rows.first + rows.count, 2) == (int64_t)i)
			rows.count++;
		rows.last = i + 1 == t->count;
		give_rows(t->entries[i], &rows);
	}
}

/* What PostgreSQL has refused was not done, and may be the fault of one of them; of a server that takes no
 * writes it is nobody's. */
static void fail_all(struct transaction *t, const struct error *err)
{
	bool is_refused = err->code == -EPROTO || err->code == -EAGAIN;
	bool again = is_refused && !t->alone && !pg_refusal_is_of_server(err->text);

	if (again)
		log_warning("submissions go one by one", "count=%zu why=\"%s\"", t->count,
			    err->text);
	for (size_t i = 0; i < t->count; i++) {
		if (again)
			send_alone(t->entries[i]);
		else
			api_reply_failed(t->entries[i]->r, err);
	}
}

static void got_rows(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct transaction *t = arg;
	struct submit_queue *q = t->queue;

	q->underway -= !t->alone;
	if (rows != NULL)
		give_all_rows(t, rows);
	else
		fail_all(t, err);
	free(t);
	send_pending(q);
}

/* Its request may be answered before its turn, when the gateway stops. */
static void forget(void *arg)
{
	struct entry *e = arg;

	if (e->pending)
		TAILQ_REMOVE(&e->queue->pending, e, link);
}

void submit_queue_add(struct submit_queue *q, struct request *r, const char *text,
		      submit_rows_fn *fn, void *arg)
{
	struct entry *e = request_alloc(r, sizeof(*e));

	*e = (struct entry){ .queue = q, .pending = true, .r = r, .fn = fn, .arg = arg };
	e->deadline = deadline_in(API_QUERY_MS);
	e->text = request_strdup(r, text);
	request_on_free(r, forget, e);
	TAILQ_INSERT_TAIL(&q->pending, e, link);
	event_active(q->pump, EV_TIMEOUT, 0); /* behind what this turn still brings */
}

/* A commit that is waited for takes those before it to the disk; this one has nothing else in it. */
void submit_queue_settle(struct gateway *g, struct request *r, api_rows_fn *fn, void *arg)
{
	api_query_quick(g, r, "SELECT pg_logical_emit_message(true, 'pensum', '')", 0, NULL, fn,
			arg);
}

struct submit_queue *submit_queue_new(struct gateway *g)
{
	struct submit_queue *q = mem_zalloc(sizeof(*q));

	q->g = g;
	TAILQ_INIT(&q->pending);
	q->pump = event_new(g->base, -1, 0, on_pump, q);
	if (q->pump == NULL)
		abort();
	return q;
}

void submit_queue_free(struct submit_queue *q)
{
	if (q != NULL)
		event_free(q->pump);
	free(q);
}
