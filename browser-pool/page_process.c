#include "page_process.h"

#include <jansson.h>
#include <stdlib.h>

#include "browser.h"
#include "pool.h"
#include "process.h"
#include "watchdog.h"

/* In a sandbox the number has a further bit above those of a pid. */
static void on_search(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;
	const char *id = json_string_value(json_object_get(result, "searchId"));
	struct process p;

	(void)error;
	if (id == NULL || process_read((pid_t)(strtoull(id, NULL, 10) & INT32_MAX), &p) < 0 ||
	    p.type != PROCESS_RENDERER)
		return;
	c->page_pid = p.pid;
	c->page_start_ticks = p.start_ticks;
	priority_note_process(c->browser, &p);
}

void page_process_ask(struct context *c)
{
	struct browser *b = c->browser;

	c->page_pid = 0;
	browser_tell(b, c->page_session, "DOM.enable", NULL);
	browser_call(b, c->page_session, "DOM.performSearch", json_pack("{ss}", "query", "x"),
		     on_search, c);
	browser_tell(b, c->page_session, "DOM.disable", NULL);
}

struct context *page_process_owner(struct browser *b, pid_t pid, uint64_t start_ticks)
{
	struct context *c;

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		TAILQ_FOREACH (c, &b->contexts[state], link)
			if (c->page_pid == pid && c->page_start_ticks == start_ticks)
				return c;
	return NULL;
}

/* What it is was seen when it was whole: one that ends has no command line long before it has ended. */
pid_t page_process_running(const struct context *c)
{
	struct process p;
	bool runs = c->page_pid > 0 && process_read(c->page_pid, &p) == 0 &&
		    p.start_ticks == c->page_start_ticks && p.group == c->browser->pid &&
		    p.state != 'Z';

	return runs ? c->page_pid : 0;
}

void page_process_kill(struct context *c, const char *why)
{
	watchdog_kill(c->browser->pool->watchdog, c->browser, page_process_running(c), why);
}
