/*
 * pg_prepared.h - which statements are prepared on a connection, for pg.c and pgloop_conn.c.
 *
 * Parsing and planning cost more than most of our queries do, so a statement is prepared when it
 * first runs on a connection, and then only executed. Its name is a hash of its text: behind a
 * pooler a name may be found that another connection, or another program, gave, and then it means
 * the same.
 *
 * A pooler that hands each transaction to another server, and a migration that changed a result's
 * columns, make the server refuse a name before it has run anything (pg_prepared_is_refusal()): the
 * statement can be sent again as it is, and so are all that follow, with off set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PG_PREPARED_MAX	 256 /* more statements than a program has */
#define PG_PREPARED_NAME 24

struct pg_prepared {
	bool off;
	size_t count;
	uint64_t hashes[PG_PREPARED_MAX];
};

enum pg_prepared_how {
	PG_SEND_PLAIN,	 /* as it is */
	PG_SEND_PREPARE, /* by this name first, and pg_prepared_add() */
	PG_SEND_EXECUTE, /* by this name */
};
enum pg_prepared_how pg_prepared_how(const struct pg_prepared *p, const char *sql,
				     char name[PG_PREPARED_NAME]);
void pg_prepared_add(struct pg_prepared *p, const char *sql);
void pg_prepared_remove(struct pg_prepared *p, const char *sql);
void pg_prepared_clear(struct pg_prepared *p);	   /* a new connection has none */
bool pg_prepared_is_refusal(const char *sqlstate); /* NULL: it is not */
