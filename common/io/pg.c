#include "pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "fd.h"
#include "file.h"
#include "mem.h"
#include "pg_prepared.h"
#include "pg_refusal.h"
#include "text.h"

#define CONNECT_MS  5000
#define PATIENCE_MS 17000 /* statement_timeout below, and the way */

struct pg {
	char *conninfo; /* holds the password */
	PGconn *conn;
	int patience_ms;
	pg_record_fn *record_fn; /* NULL: statements are sent */
	void *record_arg;
	struct pg_prepared prepared;
};

struct pg_result {
	PGresult *res;
};

/* A conninfo value in quotes, as libpq reads it. */
static void add_quoted(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, " %s='", key);
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, *value);
	}
	buf_add_char(b, '\'');
}

/* Of the two ways that libpq reads, one has no place for what is added here. */
static int check_conninfo(const char *conninfo, struct error *err)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &why);
	int r = 0;

	if (text_starts_with(conninfo, "postgres://") ||
	    text_starts_with(conninfo, "postgresql://"))
		r = error_set(err, -EINVAL,
			      "postgres.conninfo: expected `host=... dbname=...`, no URI");
	else if (options == NULL)
		r = error_set(err, -EINVAL, "postgres.conninfo: %.*s",
			      why ? (int)strcspn(why, "\n") : 0, why ? why : "");
	PQconninfoFree(options);
	PQfreemem(why);
	return r;
}

/* Rows are found through indexes, whatever the planner thinks of a table that was nearly empty when it
 * was asked; and not by bitmaps, which visit the entries of rows that have moved on until the next
 * vacuum. */
int pg_conninfo(const struct settings *s, const char *application_name, char **ret,
		struct error *err)
{
	struct buf b = BUF_INIT;
	CLEANUP(buf_wipe) struct buf password = BUF_INIT;
	int r = file_read_secret("pensum-postgres", s->postgres_password_file, &password, err);

	if (r < 0 && (r != -ENOENT || s->postgres_password_file[0] != '\0'))
		return r;
	r = check_conninfo(s->postgres_conninfo, err);
	if (r < 0)
		return r;
	buf_add_str(&b, s->postgres_conninfo);
	if (password.len > 0)
		add_quoted(&b, "password", password.data);
	add_quoted(&b, "application_name", application_name);
	buf_add_str(&b, " connect_timeout=5 gssencmode=disable keepalives_idle=15 "
			"keepalives_interval=5 keepalives_count=3 tcp_user_timeout=20000 "
			"client_encoding=UTF8 options='-c statement_timeout=15000 "
			"-c idle_in_transaction_session_timeout=30000 "
			"-c enable_seqscan=off -c enable_bitmapscan=off -c jit=off'");
	*ret = buf_take(&b);
	return 0;
}

int pg_new(const struct settings *s, const char *application_name, struct pg **ret,
	   struct error *err)
{
	char *conninfo;
	struct pg *pg;
	int r = pg_conninfo(s, application_name, &conninfo, err);

	if (r < 0)
		return r;
	pg = mem_zalloc(sizeof(*pg));
	pg->conninfo = conninfo;
	pg->patience_ms = PATIENCE_MS;
	*ret = pg;
	return 0;
}

void pg_disconnect(struct pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
	pg_prepared_clear(&pg->prepared);
}

int pg_set_patience(struct pg *pg, int ms)
{
	int before = pg->patience_ms;

	pg->patience_ms = ms > 0 ? ms : PATIENCE_MS;
	return before;
}

void pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	pg_disconnect(pg);
	mem_wipe(pg->conninfo, strlen(pg->conninfo));
	free(pg->conninfo);
	free(pg);
}

/* libpq's messages end with a newline and may have several lines; the first one says it. */
static void set_message(struct error *err, int code, const char *sqlstate, const char *text)
{
	int len = (int)strcspn(text, "\n");

	error_set(err, code, "postgres: %s%s%.*s", sqlstate ? sqlstate : "", sqlstate ? ": " : "",
		  len, text);
}

/* libpq would write it to stderr, between the lines of the log. */
static void no_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static int connect_now(struct pg *pg, struct error *err)
{
	struct deadline deadline = deadline_in(MIN(CONNECT_MS, pg->patience_ms));
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	pg->conn = PQconnectStart(pg->conninfo);
	if (pg->conn != NULL)
		PQsetNoticeReceiver(pg->conn, no_notice, NULL);
	while (pg->conn != NULL && PQstatus(pg->conn) != CONNECTION_BAD) {
		if (want == PGRES_POLLING_OK) {
			PQsetnonblocking(pg->conn, 1);
			return 0;
		}
		if (want == PGRES_POLLING_FAILED ||
		    fd_wait(PQsocket(pg->conn), want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			    deadline) <= 0)
			break;
		want = PQconnectPoll(pg->conn);
	}
	set_message(err, -EIO, NULL,
		    pg->conn && PQerrorMessage(pg->conn)[0] ? PQerrorMessage(pg->conn)
							    : "no connection in time");
	pg_disconnect(pg);
	return -EIO;
}

static int lost(struct pg *pg, int code, struct error *err)
{
	set_message(err, code, NULL,
		    code == -ETIMEDOUT ? "no answer in time" : PQerrorMessage(pg->conn));
	pg_disconnect(pg);
	return code;
}

static int flush(struct pg *pg, struct deadline deadline)
{
	int left;

	while ((left = PQflush(pg->conn)) > 0)
		if (fd_wait(PQsocket(pg->conn), POLLIN | POLLOUT, deadline) <= 0 ||
		    PQconsumeInput(pg->conn) == 0)
			return -1;
	return left;
}

/* The last result of what was sent. NULL: the connection is gone (already disconnected). */
static PGresult *receive(struct pg *pg, struct deadline deadline, struct error *err)
{
	PGresult *last = NULL, *res;

	for (;;) {
		while (PQisBusy(pg->conn)) {
			int ready = fd_wait(PQsocket(pg->conn), POLLIN, deadline);

			if (ready > 0 && PQconsumeInput(pg->conn) != 0)
				continue;
			PQclear(last);
			lost(pg, ready == 0 ? -ETIMEDOUT : -EIO, err);
			return NULL;
		}
		res = PQgetResult(pg->conn);
		if (res == NULL)
			return last;
		/* Of a script with an error in the middle, the error counts. */
		if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(res);
			continue;
		}
		PQclear(last);
		last = res;
	}
}

static int code_of(const char *sqlstate)
{
	if (pg_refusal_is_of_lock(sqlstate))
		return -ENOLCK;
	return pg_refusal_is_passing(sqlstate) ? -EAGAIN : -EPROTO;
}

static int judge(struct pg *pg, PGresult *res, struct error *err)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	ExecStatusType status = PQresultStatus(res);
	int code;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return 0;
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		return lost(pg, -EIO, err);
	code = code_of(sqlstate);
	set_message(err, code, sqlstate,
		    PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
			    ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)
			    : "unexpected result");
	return code;
}

/* What was just sent (sent: libpq took it) goes out; its result, good or refused, comes back. */
static int finish_send(struct pg *pg, int sent, struct deadline deadline, PGresult **ret,
		       struct error *err)
{
	if (sent == 0 || flush(pg, deadline) < 0)
		return lost(pg, -EIO, err);
	*ret = receive(pg, deadline, err);
	if (*ret != NULL)
		return 0;
	if (pg->conn != NULL)
		return lost(pg, -EIO, err);
	return err ? err->code : -EIO;
}

static int send_plain(struct pg *pg, const char *sql, size_t count, const char *const *params,
		      struct deadline deadline, PGresult **ret, struct error *err)
{
	return finish_send(
		pg, PQsendQueryParams(pg->conn, sql, (int)count, NULL, params, NULL, NULL, 0),
		deadline, ret, err);
}

static int send_prepared(struct pg *pg, const char *sql, size_t count, const char *const *params,
			 struct deadline deadline, PGresult **ret, struct error *err)
{
	char name[PG_PREPARED_NAME];
	enum pg_prepared_how how = pg_prepared_how(&pg->prepared, sql, name);
	int r;

	if (how == PG_SEND_PLAIN)
		return send_plain(pg, sql, count, params, deadline, ret, err);
	if (how == PG_SEND_PREPARE) {
		r = finish_send(pg, PQsendPrepare(pg->conn, name, sql, (int)count, NULL), deadline,
				ret, err);
		if (r < 0 || PQresultStatus(*ret) != PGRES_COMMAND_OK)
			return r;
		PQclear(*ret);
		pg_prepared_add(&pg->prepared, sql);
	}
	return finish_send(pg,
			   PQsendQueryPrepared(pg->conn, name, (int)count, params, NULL, NULL, 0),
			   deadline, ret, err);
}

/* Inside a transaction a statement is sent as it is: if its name were refused there, all of the
 * transaction would be. Outside, it did not run, and is sent again. */
static int send_statement(struct pg *pg, const char *sql, size_t count, const char *const *params,
			  struct deadline deadline, PGresult **ret, struct error *err)
{
	int r;

	if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
		return send_plain(pg, sql, count, params, deadline, ret, err);
	r = send_prepared(pg, sql, count, params, deadline, ret, err);
	if (r < 0 || !pg_prepared_is_refusal(PQresultErrorField(*ret, PG_DIAG_SQLSTATE)))
		return r;
	PQclear(*ret);
	pg->prepared.off = true;
	pg_prepared_clear(&pg->prepared);
	return send_plain(pg, sql, count, params, deadline, ret, err);
}

static int run(struct pg *pg, const char *sql, bool script, size_t count,
	       const char *const *params, struct pg_result **ret, struct error *err)
{
	struct deadline deadline = deadline_in(pg->patience_ms);
	PGresult *res = NULL;
	int r = pg->conn ? 0 : connect_now(pg, err);

	if (r < 0)
		return r;
	if (script)
		r = finish_send(pg, PQsendQuery(pg->conn, sql), deadline, &res, err);
	else
		r = send_statement(pg, sql, count, params, deadline, &res, err);
	if (r < 0)
		return r;
	r = judge(pg, res, err);
	if (r < 0 || ret == NULL) {
		PQclear(res);
		return r;
	}
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->res = res;
	return 0;
}

int pg_exec(struct pg *pg, const char *sql, size_t param_count, const char *const *params,
	    struct pg_result **ret, struct error *err)
{
	if (pg->record_fn != NULL) {
		if (ret != NULL)
			return error_set(err, -EPROTO, "a statement with an answer cannot be kept");
		pg->record_fn(pg->record_arg, sql, param_count, params);
		return 0;
	}
	return run(pg, sql, false, param_count, params, ret, err);
}

void pg_record(struct pg *pg, pg_record_fn *fn, void *arg)
{
	pg->record_fn = fn;
	pg->record_arg = arg;
}

int pg_script(struct pg *pg, const char *sql, struct error *err)
{
	return run(pg, sql, true, 0, NULL, NULL, err);
}

int pg_begin(struct pg *pg, struct error *err)
{
	return pg_exec(pg, "BEGIN", 0, NULL, NULL, err);
}

int pg_commit(struct pg *pg, struct error *err)
{
	return pg_exec(pg, "COMMIT", 0, NULL, NULL, err);
}

void pg_rollback(struct pg *pg)
{
	if (pg->conn != NULL && pg_exec(pg, "ROLLBACK", 0, NULL, NULL, NULL) < 0)
		pg_disconnect(pg);
}

size_t pg_rows(const struct pg_result *r)
{
	return (size_t)PQntuples(r->res);
}

const char *pg_value(const struct pg_result *r, size_t row, size_t column)
{
	if (PQgetisnull(r->res, (int)row, (int)column))
		return NULL;
	return PQgetvalue(r->res, (int)row, (int)column);
}

void pg_result_free(struct pg_result *r)
{
	if (r == NULL)
		return;
	PQclear(r->res);
	free(r);
}

void pg_result_cleanup(struct pg_result **r)
{
	pg_result_free(*r);
}
