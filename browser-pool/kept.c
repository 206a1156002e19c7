#include "kept.h"

#include <string.h>

#include "mem.h"
#include "pool.h"

static struct context *find_key(struct pool *p, enum context_state state, const char *key)
{
	struct context *c;
	struct browser *b;

	if (key[0] == '\0')
		return NULL;
	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		TAILQ_FOREACH (c, &b->contexts[state], link)
			if (strcmp(c->key, key) == 0)
				return c;
	return NULL;
}

bool kept_drop_oldest(struct pool *p)
{
	struct context *c, *oldest = NULL;
	struct browser *b;

	TAILQ_FOREACH (b, &p->browsers[BROWSER_READY], link)
		TAILQ_FOREACH (c, &b->contexts[CONTEXT_KEPT], link)
			if (oldest == NULL || c->kept_ms < oldest->kept_ms)
				oldest = c;
	if (oldest != NULL)
		context_dispose(oldest);
	return oldest != NULL;
}

static int64_t max_kept(const struct pool *p)
{
	int64_t max = p->caps.pages;

	return max - MIN(POOL_WARM_CONTEXTS, max / 2);
}

bool kept_wants(struct pool *p, const struct context *c, const struct pool_request *request)
{
	const unsigned *count = p->context_count;

	if (request->key[0] == '\0' || request->idle_ms == 0 || p->stopping ||
	    c->browser->state != BROWSER_READY || find_key(p, CONTEXT_KEPT, request->key) != NULL ||
	    find_key(p, CONTEXT_KEEPING, request->key) != NULL)
		return false;
	while (count[CONTEXT_KEEPING] + count[CONTEXT_KEPT] >= max_kept(p))
		if (!kept_drop_oldest(p))
			return false;
	return true;
}

bool kept_is_coming(struct pool *p, const char *key)
{
	return find_key(p, CONTEXT_KEEPING, key) != NULL;
}

void kept_lend(struct pool *p)
{
	struct pool_lease *l, *next;

	if (p->context_count[CONTEXT_KEPT] == 0)
		return;
	for (l = waiting_oldest(p->waiting); l != NULL; l = next) {
		struct context *c = find_key(p, CONTEXT_KEPT, l->request.key);

		next = waiting_next(l);
		if (c == NULL || !l->tenant->lines[l->request.cls].has_turns)
			continue;
		if (!memory_admits(p->memory, MEMORY_KEPT_LEASE))
			return;
		pool_lease_lend(l, c);
	}
}

void kept_make_room(struct pool *p)
{
	const unsigned *count = p->context_count;
	int64_t coming = p->caps.pages - pool_context_count(p) + count[CONTEXT_MAKING] +
			 count[CONTEXT_WARM] + count[CONTEXT_KEEPING] + count[CONTEXT_DISPOSING];

	for (int64_t n = (int64_t)waiting_count_ready(p->waiting) - coming; n > 0; n--)
		if (!kept_drop_oldest(p))
			return;
}
