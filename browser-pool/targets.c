#include "targets.h"

#include <stdio.h>
#include <string.h>

#include "browser.h"
#include "clock.h"
#include "mem.h"

#define MAX_TARGETS  256 /* of a context: a flood of them goes on for a moment */
#define MAX_BY_PAGE  64
#define ONE_WORTH_MS 62	  /* 16 a second … */
#define AHEAD_MS     8000 /* … and as many as in this time at once */

/* Not what the client asked for, or the tab of a page. */
static bool is_made_by_page(const char *type, const char *opener)
{
	bool is_page = strcmp(type, "page") == 0 || strcmp(type, "tab") == 0;

	return !is_page || opener[0] != '\0';
}

bool targets_add(struct context *c, const char *id, const char *type, const char *opener)
{
	struct target *t;

	if (c->target_count == MAX_TARGETS || strlen(id) >= CDP_NAME_SIZE ||
	    targets_find(c, id) != NULL)
		return false;
	t = mem_zalloc(sizeof(*t));
	snprintf(t->id, sizeof(t->id), "%s", id);
	t->is_page = strcmp(type, "page") == 0;
	t->by_page = is_made_by_page(type, opener);
	TAILQ_INSERT_TAIL(&c->targets, t, link);
	c->target_count++;
	c->page_count += t->is_page;
	c->by_page_count += t->by_page;
	if (t->by_page)
		c->by_page_due_ms = MAX(c->by_page_due_ms, clock_now_ms()) + ONE_WORTH_MS;
	return true;
}

bool targets_are_flood(const struct context *c)
{
	return c->by_page_count > MAX_BY_PAGE || c->by_page_due_ms - clock_now_ms() > AHEAD_MS;
}

void targets_remove(struct context *c, struct target *t)
{
	TAILQ_REMOVE(&c->targets, t, link);
	c->target_count--;
	c->page_count -= t->is_page;
	c->by_page_count -= t->by_page;
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
