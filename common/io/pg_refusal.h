/*
 * pg_refusal.h - what a statement that PostgreSQL refused means, for pg.c and pgloop_pipe.c.
 */
#pragma once

#include <stdbool.h>

/* It passes by itself, and nothing is wrong with the statement: rolled back for another's sake, out of
 * resources, locked, cancelled, read-only. NULL: it does not. */
bool pg_refusal_is_passing(const char *sqlstate);

/* Of these, that the server itself writes nothing for now: out of resources (disk, memory), read-only. */
bool pg_refusal_is_of_server(const char *sqlstate);
