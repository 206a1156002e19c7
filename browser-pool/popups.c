#include "popups.h"

#include <string.h>

#include "browser.h"
#include "pool_lease.h"
#include "targets.h"
#include "vbrowser.h"

static bool wants_to_wait(const struct context *c)
{
	return c->state == CONTEXT_LENT && c->lease != NULL && c->lease->vbrowser != NULL &&
	       vbrowser_wants_to_wait(c->lease->vbrowser);
}

static bool is_wanted(const struct browser *b)
{
	const struct context *c;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_LENT], link)
		if (wants_to_wait(c))
			return true;
	return false;
}

static void let_go(struct browser *b, const char *session)
{
	browser_tell(b, session, "Runtime.runIfWaitingForDebugger", NULL);
	browser_tell(b, NULL, "Target.detachFromTarget", json_pack("{ss}", "sessionId", session));
}

static void release_all(struct context *c)
{
	struct target *t;

	TAILQ_FOREACH (t, &c->targets, link)
		popups_release(c, t->id);
}

void popups_update(struct context *c)
{
	struct browser *b = c->browser;
	bool wanted = is_wanted(b);

	if (!wants_to_wait(c))
		release_all(c);
	if (b->state == BROWSER_DYING || wanted == b->holds_popups)
		return;
	b->holds_popups = wanted;
	browser_tell(b, NULL, "Target.setAutoAttach",
		     json_pack("{sb sb sb s[{ss}]}", "autoAttach", (int)wanted,
			       "waitForDebuggerOnStart", (int)wanted, "flatten", 1, "filter",
			       "type", "page"));
}

void popups_release(struct context *c, const char *target)
{
	struct target *t = targets_find(c, target);

	if (t == NULL || t->held[0] == '\0')
		return;
	if (c->browser->state != BROWSER_DYING)
		let_go(c->browser, t->held);
	t->held[0] = '\0';
}

static const char *text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

void popups_take_attached(struct browser *b, json_t *params)
{
	json_t *info = json_object_get(params, "targetInfo");
	bool is_popup = text_of(info, "openerId")[0] != '\0';
	struct target *t = NULL;
	struct context *c;
	char session[CDP_NAME_SIZE];

	if (strcmp(text_of(info, "type"), "page") != 0 ||
	    !context_take_name(params, "sessionId", session))
		return; /* one of the pool's own */
	c = targets_find_owner(b, text_of(info, "targetId"), &t);
	if (c != NULL && is_popup && wants_to_wait(c) &&
	    json_is_true(json_object_get(params, "waitingForDebugger")))
		memcpy(t->held, session, sizeof(session));
	else
		let_go(b, session);
}
