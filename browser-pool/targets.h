/*
 * targets.h - which of a browser's targets belong to which context, as Chromium tells of them.
 *
 * A context's page may open others and start workers; all live and die with the context. Pages
 * count: a lease may have CONTEXT_MAX_PAGES of them (its first, popups, and in browser mode those
 * that the client makes), and a context that is being disposed is gone only when all its pages are.
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
	char id[CDP_NAME_SIZE];
};

TAILQ_HEAD(target_list, target);

/* False: it is known already, or there are too many. */
bool targets_add(struct context *c, const char *id, const char *type);
void targets_remove(struct context *c, struct target *t);
void targets_remove_all(struct context *c);

struct target *targets_find(struct context *c, const char *id); /* NULL: not this context's */
/* Over all contexts of the browser; *ret is the target. NULL: nobody's. */
struct context *targets_find_owner(struct browser *b, const char *id, struct target **ret);
