#include "hub_question.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define QUERY_MS 5000

struct hub_question {
	LIST_ENTRY(hub_question) link;
	struct hub_client *client; /* NULL: it left */
};

void questions_forget(struct hub_client *c)
{
	struct hub_question *q;

	while ((q = LIST_FIRST(&c->questions)) != NULL) {
		LIST_REMOVE(q, link);
		q->client = NULL;
	}
}

/* Asks PostgreSQL something whose answer (fn's arg: a hub_question) matters to c only. Errors as of
 * pgloop_query(). */
static int ask(struct hub_client *c, const char *sql, const char *const *params, size_t count,
	       pgloop_fn *fn)
{
	struct hub_question *q = mem_zalloc(sizeof(*q));
	int r;

	q->client = c;
	LIST_INSERT_HEAD(&c->questions, q, link);
	r = pgloop_query(c->g->pg, QUERY_MS, sql, count, params, fn, q, NULL);
	if (r < 0) {
		LIST_REMOVE(q, link);
		free(q);
	}
	return r;
}

/* The client that asked, or NULL; the question is gone. */
static struct hub_client *end_question(struct hub_question *q)
{
	struct hub_client *c = q->client;

	if (c != NULL)
		LIST_REMOVE(q, link);
	free(q);
	return c;
}

static void on_own_jobs(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	static const struct job_version none = { -1, -1 };
	struct hub_client *c = end_question(arg);

	if (c == NULL)
		return;
	if (rows == NULL) {
		log_warning("own jobs not read", "reason=\"%s\"", err->text);
		c->asks_again = true;
		return;
	}
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		hub_subscribe(c, pgloop_value(rows, i, 0), none);
}

void question_own_jobs(struct hub_client *c)
{
	static const char sql[] =
		"SELECT id FROM pensum.jobs WHERE state IN ('queued', 'running', 'waiting') AND "
		"((user_id = $1 AND session_hash IS NULL) OR session_hash = $2) "
		"ORDER BY created_at DESC LIMIT 64";
	const char *params[] = { c->session.user_id, c->session.token_hash };

	c->asks_again = false;
	if (ask(c, sql, params, ARRAY_LEN(params), on_own_jobs) < 0)
		c->asks_again = true;
}

static void on_session(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct hub_client *c = end_question(arg);
	int64_t expires_at = 0;

	(void)err;
	if (c == NULL || c->session.active || rows == NULL || pgloop_rows(rows) == 0)
		return; /* the page comes back with a session that is active */
	text_parse_i64(pgloop_value(rows, 0, 1), 0, INT64_MAX, &expires_at, NULL);
	snprintf(c->session.user_id, sizeof(c->session.user_id), "%s", pgloop_value(rows, 0, 0));
	c->session.expires_at = expires_at;
	c->session.active = true;
	c->ops->signed_in(c->arg);
}

void question_session(struct hub_client *c)
{
	static const char sql[] = "SELECT user_id, extract(epoch FROM expires_at)::bigint "
				  "FROM pensum.sessions WHERE token_hash = $1 AND active "
				  "AND expires_at > now()";
	const char *param = c->session.token_hash;

	ask(c, sql, &param, 1, on_session);
}

static void on_dead_sessions(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	(void)err; /* asked again soon */
	for (size_t i = 0; rows != NULL && i < pgloop_rows(rows); i++)
		hub_session_ended(arg, pgloop_value(rows, i, 0));
}

void question_sessions(struct hub *h, struct gateway *g, const struct hub_client_list *clients)
{
	static const char sql[] =
		"SELECT h FROM unnest($1::text[]) h WHERE NOT EXISTS (SELECT FROM pensum.sessions s "
		"WHERE s.token_hash = h AND s.expires_at > now())";
	CLEANUP(buf_done) struct buf hashes = BUF_INIT;
	const struct hub_client *c;
	const char *param;

	LIST_FOREACH(c, clients, link)
		buf_printf(&hashes, "%c%s", hashes.len == 0 ? '{' : ',', c->session.token_hash);
	if (hashes.len == 0)
		return;
	buf_add_char(&hashes, '}');
	param = hashes.data;
	pgloop_query(g->pg, QUERY_MS, sql, 1, &param, on_dead_sessions, h, NULL);
}
