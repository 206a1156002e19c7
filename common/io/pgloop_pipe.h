/*
 * pgloop_pipe.h - the statements that are under way on one connection, for pgloop_conn.c.
 *
 * They are sent without waiting for the answers of those before (libpq's pipeline mode), so that
 * neither side sleeps between two of them. Each is followed by a Sync of its own: it is its own
 * transaction, and its failure is nobody else's. Answers come in the order of sending.
 *
 * A slow one holds up what stands behind it, and when it is given up all of it fails. So only quick ones
 * share a connection, and behind the first there is room only for a moment, and then no more until it
 * is answered.
 *
 * Statements are prepared as pg_prepared.h tells.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "pg_prepared.h"

#define PGLOOP_PIPE_MAX 4

struct pgloop_sent {
	const char *sql; /* a literal */
	size_t param_count;
	const char *const *params; /* borrowed until it is answered or taken out */
	void *query;
	bool quick;
	enum pg_prepared_how how;
};

struct pgloop_pipe {
	PGconn *pg; /* borrowed */
	struct pg_prepared prepared;
	struct pgloop_sent sent[PGLOOP_PIPE_MAX]; /* a ring */
	size_t first, count;
	int64_t moved_ms; /* since when the first one is the first */
	PGresult *result; /* of the first one: its first error, or else the last result */
	bool is_prepared; /* likewise: where it was to be, it was, whatever came of it then */
};

/* False: the connection is of no use. */
bool pgloop_pipe_open(struct pgloop_pipe *p, PGconn *pg);
void pgloop_pipe_close(struct pgloop_pipe *p); /* empty: nothing under way, nothing prepared */

bool pgloop_pipe_has_room(const struct pgloop_pipe *p, bool quick);
/* False: the connection is lost. What libpq could not send yet is the caller's to flush. */
bool pgloop_pipe_send(struct pgloop_pipe *p, const struct pgloop_sent *s);

enum pgloop_pipe_step {
	PGLOOP_PIPE_WAITS,    /* for more input */
	PGLOOP_PIPE_ANSWERED, /* the first one has left */
	PGLOOP_PIPE_BROKEN,   /* the connection is lost; error says why */
};
struct pgloop_answer {
	void *query;
	PGresult *result; /* NULL: error says why; else yours to clear */
	struct error error;
};
/* What the input that has come means for the first one. */
enum pgloop_pipe_step pgloop_pipe_next(struct pgloop_pipe *p, struct pgloop_answer *ret);
/* Takes the first one out unanswered. NULL: there is none. */
void *pgloop_pipe_take(struct pgloop_pipe *p);
