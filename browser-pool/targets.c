#include "targets.h"

#include <stdio.h>
#include <string.h>

#include "browser.h"
#include "mem.h"

#define MAX_TARGETS 256 /* of a context: workers are not worth more */

bool targets_add(struct context *c, const char *id, const char *type)
{
	struct target *t;

	if (c->target_count == MAX_TARGETS || strlen(id) >= CDP_NAME_SIZE ||
	    targets_find(c, id) != NULL)
		return false;
	t = mem_zalloc(sizeof(*t));
	snprintf(t->id, sizeof(t->id), "%s", id);
	t->is_page = strcmp(type, "page") == 0;
	TAILQ_INSERT_TAIL(&c->targets, t, link);
	c->target_count++;
	c->page_count += t->is_page;
	return true;
}

void targets_remove(struct context *c, struct target *t)
{
	TAILQ_REMOVE(&c->targets, t, link);
	c->target_count--;
	c->page_count -= t->is_page;
	free(t);
}

void targets_remove_all(struct context *c)
{
	struct target *t;

	while ((t = TAILQ_FIRST(&c->targets)) != NULL)
		targets_remove(c, t);
}

struct target *targets_find(struct context *c, const char *id)
{
	struct target *t;

	TAILQ_FOREACH (t, &c->targets, link)
		if (strcmp(id, t->id) == 0)
			return t;
	return NULL;
}

struct context *targets_find_owner(struct browser *b, const char *id, struct target **ret)
{
	struct context *c;

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		TAILQ_FOREACH (c, &b->contexts[state], link)
			if ((*ret = targets_find(c, id)) != NULL)
				return c;
	return NULL;
}
