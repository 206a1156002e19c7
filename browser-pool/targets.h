/*
 * targets.h - which of a browser's targets belong to which context, as Chromium tells of them.
 *
 * A context's page may open others and start workers; all live and die with the context. Pages
 * count: a lease may have CONTEXT_MAX_PAGES of them (its first, popups, and in browser mode those
 * that the client makes), and a context that is being disposed is gone only when all its pages are.
 * Windows, workers and frames of other sites that a page makes cost the browser some 150 KiB and a
 * millisecond each: 65 at a time, or more than 129 at once and then 16 a second, are a flood.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "session.h"

struct browser;
struct context;

#define CONTEXT_MAX_PAGES 4

struct target {
	TAILQ_ENTRY(target) link; /* in context->targets */
	bool is_page;
	bool by_page; /* a page made it by itself */
	char id[CDP_NAME_SIZE];
	char held[CDP_NAME_SIZE]; /* popups.h: the session that holds it, or "" */
};

TAILQ_HEAD(target_list, target);

/* False: it is known already, or there are too many. */
bool targets_add(struct context *c, const char *id, const char *type, const char *opener);
bool targets_are_flood(const struct context *c);
void targets_remove(struct context *c, struct target *t);
void targets_remove_all(struct context *c);

struct target *targets_find(struct context *c, const char *id); /* NULL: not this context's */
/* Over all contexts of the browser; *ret is the target. NULL: nobody's. */
struct context *targets_find_owner(struct browser *b, const char *id, struct target **ret);
