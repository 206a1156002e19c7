/*
 * pgloop_conn.h - one connection of a pgloop.c: its life, and what runs on it (pgloop_pipe.h).
 *
 *	DOWN -> CONNECTING -> UP
 *	any -> DOWN (lost; after a pause, with back-off, it connects again)
 */
#pragma once

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "pgloop_pipe.h"

struct pgloop_conn;

struct pgloop_conn_ops {
	/* There may be room: pgloop_conn_run() may be called, from here too. */
	void (*ready)(void *arg);
	/* The end of what was run, once: res (borrowed), or NULL and err. */
	void (*done)(void *arg, void *query, PGresult *res, const struct error *err);
	/* It went DOWN, for a reason. done() follows for all that was running. */
	void (*lost)(void *arg, const char *reason);
};

/* conninfo, ops and arg are borrowed. Connects by itself, from the loop. */
struct pgloop_conn *pgloop_conn_new(struct event_base *base, const char *conninfo,
				    const struct pgloop_conn_ops *ops, void *arg);
void pgloop_conn_free(struct pgloop_conn *c); /* closed before */
/* For good. done() is called with -ESHUTDOWN for all that runs. */
void pgloop_conn_close(struct pgloop_conn *c);

/* How many run here; -1: there is no room for such a one, or the connection is not UP. */
int pgloop_conn_load(const struct pgloop_conn *c, bool quick);
bool pgloop_conn_is_up(const struct pgloop_conn *c);

/* Until it tries to connect again; 0: it does so now, or is up. */
int64_t pgloop_conn_pause_ms(const struct pgloop_conn *c);

/* Only where there is room. what is copied, and what it points to is borrowed until done(). */
void pgloop_conn_run(struct pgloop_conn *c, const struct pgloop_sent *what);
/* UP -> DOWN: what runs cannot be called back (PQcancel blocks), so the connection goes, and the
 * server's statement_timeout ends the rest. done() is called with code for all that ran. */
void pgloop_conn_give_up(struct pgloop_conn *c, int code, const char *why);
