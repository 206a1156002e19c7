/*
 * pg.h - PostgreSQL for straight-line processes: one connection, blocking, with deadlines.
 *
 * Connects on first use and again after a loss. Statements stay prepared on a connection, and work
 * behind a transaction pooler, too (pg_prepared.h). Values are text; NULL in params is SQL NULL. An
 * error's sentence carries SQLSTATE and the server's primary message, which never holds a parameter's
 * value.
 *
 * Errors: -EIO connection lost or refused (the transaction is gone), -ETIMEDOUT, -EAGAIN the server
 * refuses it now (pg_refusal.h: disk full, read-only, a missing right or function), -ENOLCK so because of a
 * lock that others hold (deadlock, lock_timeout), -EPROTO it refuses the statement (constraint, syntax),
 * which is our mistake or a conflict.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "settings.h"

struct pg;
struct pg_result;

/* Does not connect yet. Reads the password (credential pensum-postgres or the configured file). */
int pg_new(const struct settings *s, const char *application_name, struct pg **ret,
	   struct error *err);
void pg_free(struct pg *pg);
void pg_disconnect(struct pg *pg); /* before a fork, or to start afresh */
/* How long connecting and each answer may take from now on, for whoever must not wait for a database
 * that hangs; 0: as after pg_new(), longer than the server lets a statement run. Answers what it was. */
int pg_set_patience(struct pg *pg, int ms);

/* The connection string with password and keep-alives, as pgloop.c needs it too; a secret. */
int pg_conninfo(const struct settings *s, const char *application_name, char **ret,
		struct error *err);

/* Runs one statement. ret may be NULL; else *ret is yours to pg_result_free(). */
int pg_exec(struct pg *pg, const char *sql, size_t param_count, const char *const *params,
	    struct pg_result **ret, struct error *err);

/* BEGIN/COMMIT/ROLLBACK. A failed commit with -EIO may or may not have happened: ask again. */
int pg_begin(struct pg *pg, struct error *err);
int pg_commit(struct pg *pg, struct error *err);
void pg_rollback(struct pg *pg);

/* While fn is set nothing is sent: fn is told each statement that is run, so that it can be run later.
 * Whoever wants rows of one (ret) gets -EPROTO. NULL: as before. */
typedef void pg_record_fn(void *arg, const char *sql, size_t param_count,
			  const char *const *params);
void pg_record(struct pg *pg, pg_record_fn *fn, void *arg);

size_t pg_rows(const struct pg_result *r);
/* Borrowed, valid until pg_result_free(); NULL for SQL NULL. Rows and columns count from 0. */
const char *pg_value(const struct pg_result *r, size_t row, size_t column);
void pg_result_free(struct pg_result *r);
void pg_result_cleanup(struct pg_result **r); /* for CLEANUP() */

/* Several statements without parameters in one call, as a migration file holds them. */
int pg_script(struct pg *pg, const char *sql, struct error *err);
