/*
 * events.h - the events of a lease: who wants them at once, and those that nobody has asked for
 * yet.
 *
 * Handlers hear of an event as it is read; what none of them takes is kept for whoever asks later.
 * Of a flood only the last few hundred events are kept. Events of a page's children (they have a
 * sessionId) are kept, but no handler hears of them.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "cdpmsg.h"
#include "lease.h"

#define EVENTS_MAX_HANDLERS 8

struct handler {
	const char *method; /* NULL: free */
	lease_event_fn *fn;
	void *arg;
	void (*done)(void *arg);
};

struct events {
	struct handler handlers[EVENTS_MAX_HANDLERS];
	STAILQ_HEAD(, kept_event) kept;
	unsigned kept_count;
	size_t kept_bytes;
};

void events_init(struct events *e);
void events_done(struct events *e); /* calls every handler's done() */

/* As lease_handle() and lease_handler_arg(). */
void events_handle(struct events *e, const struct handler *h);
void *events_handler_arg(const struct events *e, const char *method);

/* What the handler of that name says of the message; 0 where there is none. whole: it sees all of
 * the message and not only its params. */
int events_tell(struct events *e, const char *method, struct lease *l, const struct cdpmsg *m,
		size_t len, bool whole, struct error *err);
/* The same for an event, by its own name. */
int events_tell_event(struct events *e, struct lease *l, const struct cdpmsg *m, size_t len,
		      struct error *err);

void events_keep(struct events *e, const char *text, size_t len);
void events_drop(struct events *e);
/* The first kept event of that name; it and those before it are forgotten. *ret (may be NULL) is
 * its params, yours. */
bool events_take(struct events *e, const char *method, json_t **ret);
/* An event's params; a new reference. */
json_t *events_params(const char *text, size_t len);
