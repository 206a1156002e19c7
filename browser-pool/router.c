#include "router.h"

#include <jansson.h>
#include <string.h>

#include "browser.h"
#include "context.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

static void answer_own_call(const struct call *call, const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	json_t *result = json_object_get(root, "result");
	const char *error =
		json_string_value(json_object_get(json_object_get(root, "error"), "message"));

	if (result == NULL && error == NULL)
		error = "an answer without a result";
	call->fn(call->arg, result, error ? error : "");
	json_decref(root);
}

static void take_answer(struct browser *b, const struct cdpmsg *m, size_t len)
{
	struct call call;

	if (!calls_take(b->calls, m->id, &call))
		return; /* its lease is over */
	if (call.fn != NULL) {
		answer_own_call(&call, m->text, len);
		return;
	}
	call.owner->open_calls--;
	pool_lease_give(call.owner->lease, m, call.client_id);
}

static const char *text_of(json_t *params, const char *member)
{
	const char *text = json_string_value(json_object_get(params, member));

	return text ? text : "";
}

static void on_destroyed(struct browser *b, json_t *params)
{
	struct context *c = context_find_target(b, text_of(params, "targetId"));

	if (c != NULL)
		context_note_destroyed(c);
}

static void on_crashed(struct browser *b, json_t *params)
{
	struct context *c = context_find_target(b, text_of(params, "targetId"));
	const char *status = text_of(params, "status");

	if (c != NULL)
		context_note_crashed(c, status);
	/* Chromium answers everything else as if all were well, and never gets another page. */
	if (strcmp(status, "failed to launch") == 0)
		browser_recycle(b, "page processes cannot be started");
}

static void on_popup_closed(void *arg, json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

/* A page opened another one in its context: nobody could see it, so it goes. */
static void on_created(struct browser *b, json_t *params)
{
	json_t *info = json_object_get(params, "targetInfo");
	const char *target = text_of(info, "targetId");
	struct context *c = context_find_name(b, text_of(info, "browserContextId"));

	if (c == NULL || c->state < CONTEXT_LENT || strcmp(target, c->target) == 0 ||
	    strcmp(text_of(info, "type"), "page") != 0)
		return;
	browser_call(b, NULL, "Target.closeTarget", json_pack("{ss}", "targetId", target),
		     on_popup_closed, NULL);
}

static const struct {
	const char *method;
	void (*take)(struct browser *b, json_t *params);
} root_events[] = {
	{ "Target.targetCreated", on_created },
	{ "Target.targetDestroyed", on_destroyed },
	{ "Target.targetCrashed", on_crashed },
};

static void take_root_event(struct browser *b, const struct cdpmsg *m)
{
	for (size_t i = 0; i < ARRAY_LEN(root_events); i++) {
		json_t *params;

		if (!cdpmsg_method_is(m, root_events[i].method))
			continue;
		params = json_loadb(m->text + m->params.at, m->params.len, 0, NULL);
		root_events[i].take(b, params);
		json_decref(params);
		return;
	}
}

void router_take_message(struct browser *b, const char *text, size_t len)
{
	struct error err = { 0 };
	struct context *c;
	struct cdpmsg m;

	if (cdpmsg_scan(text, len, &m, &err) < 0) {
		log_error("the browser does not speak CDP", "browser=%u reason=\"%s\"", b->id,
			  err.text);
		browser_kill(b, POOL_REASON_BROWSER_GONE, "not CDP");
		return;
	}
	if (m.has_id) {
		take_answer(b, &m, len);
		return;
	}
	if (m.session.len == 0) {
		take_root_event(b, &m);
		return;
	}
	c = context_find_session(b, &m);
	if (c != NULL && c->state == CONTEXT_LENT)
		pool_lease_give(c->lease, &m, 0);
}

/* The last sessionId in the tail, as a message of its own, so that it can be looked up. */
static struct context *find_owner(struct browser *b, const char *tail, size_t len)
{
	static const char member[] = "\"sessionId\":\"";
	const char *found = NULL;

	for (size_t i = 0; i + sizeof(member) - 1 <= len; i++)
		if (memcmp(tail + i, member, sizeof(member) - 1) == 0)
			found = tail + i + sizeof(member) - 1;
	if (found != NULL) {
		const char *end = memchr(found, '"', (size_t)(tail + len - found));
		struct cdpmsg m = { .text = found };

		m.session.len = end ? (size_t)(end - found) : 0;
		return end ? context_find_session(b, &m) : NULL;
	}
	return NULL;
}

void router_take_large(struct browser *b, const char *tail, size_t len)
{
	struct context *c = find_owner(b, tail, len);

	if (c != NULL && c->state == CONTEXT_LENT)
		pool_lease_end(c->lease, POOL_REASON_TOO_LARGE, "from the page");
	else
		log_warning("a large message was nobody's", "browser=%u", b->id);
}
