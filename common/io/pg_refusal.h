/*
 * pg_refusal.h - what a statement that PostgreSQL refused means, for pg.c and pgloop_pipe.c.
 */
#pragma once

#include <stdbool.h>

/* It passes, and nothing is wrong with the statement: rolled back for another's sake, locked, cancelled,
 * or what pg_refusal_is_of_server() says. NULL: it does not. */
bool pg_refusal_is_passing(const char *sqlstate);

/* Of these, that others hold a lock which it needs. */
bool pg_refusal_is_of_lock(const char *sqlstate);

/* Of these, what strikes all that is asked until somebody mends the server: out of resources (disk,
 * memory), read-only, or not set up for this version (a right, a table or a function is missing). */
bool pg_refusal_is_of_server(const char *sqlstate);
