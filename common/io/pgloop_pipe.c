#include "pgloop_pipe.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "pg_refusal.h"

#define MOMENT_MS 5

bool pgloop_pipe_open(struct pgloop_pipe *p, PGconn *pg)
{
	p->pg = pg;
	return PQsetnonblocking(pg, 1) == 0 && PQenterPipelineMode(pg) == 1;
}

void pgloop_pipe_close(struct pgloop_pipe *p)
{
	PQclear(p->result);
	*p = (struct pgloop_pipe){ 0 };
}

bool pgloop_pipe_has_room(const struct pgloop_pipe *p, bool quick)
{
	return p->count == 0 ||
	       (quick && p->sent[p->first].quick && p->count < PGLOOP_PIPE_MAX &&
		clock_now_ms() - p->moved_ms < MOMENT_MS);
}

static bool send_words(PGconn *pg, const struct pgloop_sent *s, const char *name)
{
	int count = (int)s->param_count;

	if (s->how == PG_SEND_PLAIN)
		return PQsendQueryParams(pg, s->sql, count, NULL, s->params, NULL, NULL, 0) == 1;
	if (s->how == PG_SEND_PREPARE && PQsendPrepare(pg, name, s->sql, count, NULL) == 0)
		return false;
	return PQsendQueryPrepared(pg, name, count, s->params, NULL, NULL, 0) == 1;
}

bool pgloop_pipe_send(struct pgloop_pipe *p, const struct pgloop_sent *what)
{
	struct pgloop_sent *s = &p->sent[(p->first + p->count) % PGLOOP_PIPE_MAX];
	char name[PG_PREPARED_NAME];

	*s = *what;
	s->how = pg_prepared_how(&p->prepared, s->sql, name);
	if (p->count++ == 0)
		p->moved_ms = clock_now_ms();
	if (s->how == PG_SEND_PREPARE)
		pg_prepared_add(&p->prepared, s->sql);
	return send_words(p->pg, s, name) && PQpipelineSync(p->pg) == 1;
}

static struct pgloop_sent take_first(struct pgloop_pipe *p)
{
	struct pgloop_sent first = p->sent[p->first];

	p->first = (p->first + 1) % PGLOOP_PIPE_MAX;
	p->count--;
	p->moved_ms = clock_now_ms();
	return first;
}

void *pgloop_pipe_take(struct pgloop_pipe *p)
{
	return p->count > 0 ? take_first(p).query : NULL;
}

/* What a failed statement means to the caller: the server ends (class 57P), it took too long, or
 * it was refused, for now or for good. */
static int error_code(const char *sqlstate)
{
	if (strncmp(sqlstate, "57P", 3) == 0)
		return -EIO;
	if (strcmp(sqlstate, "57014") == 0)
		return -ETIMEDOUT;
	return pg_refusal_is_passing(sqlstate) ? -EAGAIN : -EPROTO;
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

/* The server knows another statement by its name, or none, and has not run it: once more, as it is.
 */
static bool is_refused_by_name(const struct pgloop_sent *s, const PGresult *res)
{
	return s->how != PG_SEND_PLAIN && pg_prepared_is_refusal(sqlstate_of(res));
}

static enum pgloop_pipe_step broken(struct pgloop_answer *ret, int code, const char *why)
{
	error_set(&ret->error, code, "%s", why);
	return PGLOOP_PIPE_BROKEN;
}

/* All of the first one's results are there. WAITS: it has been sent again. */
static enum pgloop_pipe_step finish(struct pgloop_pipe *p, struct pgloop_answer *ret)
{
	PGresult *res = p->result;
	bool is_prepared = p->is_prepared, is_good;
	struct pgloop_sent s;

	p->result = NULL;
	p->is_prepared = false;
	if (res == NULL)
		return broken(ret, -EIO, "connection lost");
	is_good = describe(res, &ret->error);
	if (!is_good && ret->error.code == -EIO) {
		PQclear(res);
		return broken(ret, -EIO, "the server ends");
	}
	s = take_first(p);
	if (!is_good && is_refused_by_name(&s, res)) {
		PQclear(res);
		p->prepared.off = true;
		pg_prepared_clear(&p->prepared);
		return pgloop_pipe_send(p, &s)
			       ? PGLOOP_PIPE_WAITS
			       : broken(ret, -EIO, "connection lost");
	}
	if (s.how == PG_SEND_PREPARE && !is_prepared)
		pg_prepared_remove(&p->prepared, s.sql);
	ret->query = s.query;
	ret->result = is_good ? res : NULL;
	if (!is_good)
		PQclear(res);
	return PGLOOP_PIPE_ANSWERED;
}

static void keep(struct pgloop_pipe *p, PGresult *res)
{
	if (p->result != NULL && PQresultStatus(p->result) == PGRES_FATAL_ERROR) {
		PQclear(res);
		return;
	}
	p->is_prepared = p->result != NULL; /* the answer to Parse comes first, and was good */
	PQclear(p->result);
	p->result = res;
}

static bool is_copy(ExecStatusType status)
{
	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* libpq ends the results of each message with a NULL, and answers each Sync with a result. */
enum pgloop_pipe_step pgloop_pipe_next(struct pgloop_pipe *p, struct pgloop_answer *ret)
{
	enum pgloop_pipe_step step = PGLOOP_PIPE_WAITS;
	bool was_null = false;

	while (step == PGLOOP_PIPE_WAITS && p->count > 0 && PQisBusy(p->pg) == 0) {
		PGresult *res = PQgetResult(p->pg);
		ExecStatusType status = PQresultStatus(res);

		if (res == NULL && (was_null || PQstatus(p->pg) == CONNECTION_BAD))
			return broken(ret, -EIO, "connection lost");
		was_null = res == NULL;
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			step = finish(p, ret);
		} else if (res != NULL) {
			keep(p, res);
			if (is_copy(status))
				return broken(ret, -EPROTO, "COPY is not for pgloop");
		}
	}
	return step;
}
