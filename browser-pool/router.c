#include "router.h"

#include <jansson.h>
#include <string.h>

#include "browser.h"
#include "context.h"
#include "log.h"
#include "mem.h"
#include "page_process.h"
#include "pool.h"
#include "popups.h"
#include "vbrowser.h"
#include "watchdog.h"

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
	if (call.owner != NULL)
		call.owner->open_calls--;
	if (call.fn != NULL)
		answer_own_call(&call, m->text, len);
	else
		pool_lease_give(call.owner->lease, m, call.client_id,
				session_client_name(call.session));
}

static const char *text_of(json_t *params, const char *member)
{
	const char *text = json_string_value(json_object_get(params, member));

	return text ? text : "";
}

static void on_destroyed(struct browser *b, json_t *params)
{
	const char *id = text_of(params, "targetId");
	struct target *t;
	struct context *c = targets_find_owner(b, id, &t);

	if (c == NULL)
		return;
	if (c->state == CONTEXT_LENT && c->lease->vbrowser != NULL)
		vbrowser_note_destroyed(c->lease->vbrowser, id);
	context_note_destroyed(c, t);
}

static void on_crashed(struct browser *b, json_t *params)
{
	enum pool_reason reason = POOL_REASON_PAGE_CRASHED;
	const char *status = text_of(params, "status");
	struct target *t;
	struct context *c = targets_find_owner(b, text_of(params, "targetId"), &t);

	if (c != NULL && c->state != CONTEXT_DISPOSING)
		reason = watchdog_explain(b->pool->watchdog, b);
	if (c != NULL && (t->is_page || reason != POOL_REASON_PAGE_CRASHED))
		context_note_crashed(c, t, reason, status);
	/* Chromium answers everything else as if all were well, and never gets another page. */
	if (strcmp(status, "failed to launch") == 0)
		browser_drain(b, RECYCLE_CANARY);
}

static unsigned max_pages(const struct context *c)
{
	return c->state == CONTEXT_LENT ? CONTEXT_MAX_PAGES : 1;
}

/* What the page has begun already its browser goes on to do, for as long as the page's process is
 * there for it. */
static void end_flood(struct context *c)
{
	static const char why[] = "more windows, workers and frames than its browser can bear";

	if (c->is_flood)
		return;
	c->is_flood = true;
	page_process_kill(c, why);
	context_end(c, POOL_REASON_FLOOD, why);
}

/* Pages that a page opens count; those beyond the number go at once. */
static void on_created(struct browser *b, json_t *params)
{
	json_t *info = json_object_get(params, "targetInfo");
	const char *id = text_of(info, "targetId"), *type = text_of(info, "type");
	struct context *c = context_find_name(b, text_of(info, "browserContextId"));
	bool is_page = strcmp(type, "page") == 0;

	if (c == NULL)
		return;
	if (!targets_add(c, id, type, text_of(info, "openerId")) ||
	    (is_page && c->page_count > max_pages(c))) {
		if (is_page && strcmp(id, c->target) != 0)
			browser_tell(b, NULL, "Target.closeTarget",
				     json_pack("{ss}", "targetId", id));
	} else if (c->state == CONTEXT_LENT && c->lease->vbrowser != NULL) {
		vbrowser_note_created(c->lease->vbrowser, info);
	}
	if (targets_are_flood(c))
		end_flood(c);
}

static void on_changed(struct browser *b, json_t *params)
{
	json_t *info = json_object_get(params, "targetInfo");
	struct target *t;
	struct context *c = targets_find_owner(b, text_of(info, "targetId"), &t);

	if (c != NULL && c->state == CONTEXT_LENT && c->lease->vbrowser != NULL)
		vbrowser_note_changed(c->lease->vbrowser, info);
}

static const struct {
	const char *method;
	void (*take)(struct browser *b, json_t *params);
} root_events[] = {
	{ "Target.targetCreated", on_created },
	{ "Target.targetInfoChanged", on_changed },
	{ "Target.targetDestroyed", on_destroyed },
	{ "Target.targetCrashed", on_crashed },
	{ "Target.attachedToTarget", popups_take_attached },
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
	struct session *s;
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
	s = sessions_find_real(b, &m);
	if (s != NULL && !session_take_event(s, &m) && !s->is_browser)
		pool_lease_give(s->context->lease, &m, 0, session_client_name(s));
}

/* The last sessionId in the tail, as a message of its own, so that it can be looked up. */
static struct session *find_session(struct browser *b, const char *tail, size_t len)
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
		return end ? sessions_find_real(b, &m) : NULL;
	}
	return NULL;
}

void router_take_large(struct browser *b, const char *tail, size_t len)
{
	struct session *s = find_session(b, tail, len);

	if (s != NULL)
		pool_lease_end(s->context->lease, POOL_REASON_TOO_LARGE, "from the page");
	else
		log_warning("a large message was nobody's", "browser=%u", b->id);
}
