#include "session.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "browser.h"
#include "mem.h"
#include "pool.h"

#define MAX_CHILDREN 16 /* at a time */

void sessions_begin(struct context *c, const char *root, bool is_browser)
{
	c->root = (struct session){ .context = c, .is_browser = is_browser };
	snprintf(c->root.real, sizeof(c->root.real), "%s", root);
	c->last_session = c->session_count = 0;
}

void sessions_end(struct context *c)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&c->sessions)) != NULL) {
		TAILQ_REMOVE(&c->sessions, s, link);
		free(s);
	}
	c->session_count = 0;
}

struct session *sessions_find(struct context *c, const struct cdpmsg *m)
{
	struct session *s;

	if (m->session.len == 0)
		return &c->root;
	TAILQ_FOREACH (s, &c->sessions, link)
		if (cdpmsg_session_is(m, s->name))
			return s;
	return NULL;
}

struct session *sessions_find_real(struct browser *b, const struct cdpmsg *m)
{
	struct context *c;
	struct session *s;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_LENT], link) {
		if (cdpmsg_session_is(m, c->root.real))
			return &c->root;
		TAILQ_FOREACH (s, &c->sessions, link)
			if (cdpmsg_session_is(m, s->real))
				return s;
	}
	return NULL;
}

struct session *sessions_find_child(struct context *c, const char *real)
{
	struct session *s;

	TAILQ_FOREACH (s, &c->sessions, link)
		if (strcmp(real, s->real) == 0)
			return s;
	return NULL;
}

const char *session_client_name(const struct session *s)
{
	return s->parent ? s->name : NULL;
}

static void tell(const struct session *s, const char *method, json_t *params)
{
	pool_lease_tell(s->context->lease, json_pack("{ss sO ss*}", "method", method, "params",
						     params, "sessionId", session_client_name(s)));
}

/* The browser's own name is not for clients. */
static bool is_browser_target(json_t *params)
{
	json_t *info = json_object_get(params, "targetInfo");
	const char *type = json_string_value(json_object_get(info, "type"));

	if (type == NULL || strcmp(type, "browser") != 0)
		return false;
	json_object_set_new(info, "targetId", json_string("browser"));
	return true;
}

/* One that the pool holds says so, although this session does not. */
static void note_target(struct session *s, json_t *info, json_t *params)
{
	const char *id = json_string_value(json_object_get(info, "targetId"));
	const struct target *t = id ? targets_find(s->context, id) : NULL;

	if (t == NULL)
		return;
	memcpy(s->target, t->id, sizeof(s->target));
	if (t->held[0] != '\0')
		json_object_set_new(params, "waitingForDebugger", json_true());
}

static void take_attached(struct session *s, json_t *params)
{
	struct context *c = s->context;
	const char *real = json_string_value(json_object_get(params, "sessionId"));
	struct session *child;

	if (real == NULL || strlen(real) >= CDP_NAME_SIZE || strpbrk(real, "\"\\") != NULL)
		return;
	if (c->session_count == MAX_CHILDREN) {
		browser_tell(c->browser, s->real, "Target.detachFromTarget",
			     json_pack("{ss}", "sessionId", real));
		return;
	}
	child = mem_zalloc(sizeof(*child));
	child->context = c;
	child->parent = s;
	snprintf(child->real, sizeof(child->real), "%s", real);
	snprintf(child->name, sizeof(child->name), "s%u", ++c->last_session);
	child->is_browser = s->is_browser && is_browser_target(params);
	note_target(child, json_object_get(params, "targetInfo"), params);
	TAILQ_INSERT_TAIL(&c->sessions, child, link);
	c->session_count++;
	json_object_set_new(params, "sessionId", json_string(child->name));
	tell(s, "Target.attachedToTarget", params);
}

static bool is_below(const struct session *s, const struct session *top)
{
	while (s != NULL && s != top)
		s = s->parent;
	return s != NULL;
}

static void remove_session(struct session *s)
{
	struct context *c = s->context;
	struct call call;

	while (calls_take_session(c->browser->calls, s, &call)) {
		c->open_calls--;
		pool_lease_answer_error(c->lease, s->name, call.client_id, CDP_ERROR_SESSION,
					"pool: the session is over");
	}
	TAILQ_REMOVE(&c->sessions, s, link);
	c->session_count--;
	free(s);
}

/* Children come behind their parents in the list: from its end, nobody loses its parent first. */
static void remove_tree(struct session *top)
{
	struct context *c = top->context;
	struct session *s = TAILQ_LAST(&c->sessions, session_list);

	while (s != NULL) {
		struct session *before = TAILQ_PREV(s, session_list, link);
		bool last = s == top;

		if (is_below(s, top))
			remove_session(s);
		s = last ? NULL : before;
	}
}

static void take_detached(struct session *s, json_t *params)
{
	const char *real = json_string_value(json_object_get(params, "sessionId"));
	struct session *child = real ? sessions_find_child(s->context, real) : NULL;

	if (child == NULL || child->parent != s)
		return;
	json_object_set_new(params, "sessionId", json_string(child->name));
	remove_tree(child);
	tell(s, "Target.detachedFromTarget", params);
}

bool session_take_event(struct session *s, const struct cdpmsg *m)
{
	json_t *params;

	if (m->method.len < 7 || memcmp(m->text + m->method.at, "Target.", 7) != 0)
		return false;
	params = json_loadb(m->text + m->params.at, m->params.len, 0, NULL);
	if (cdpmsg_method_is(m, "Target.attachedToTarget"))
		take_attached(s, params);
	else if (cdpmsg_method_is(m, "Target.detachedFromTarget"))
		take_detached(s, params);
	json_decref(params);
	return true;
}

bool session_detach_child(struct session *s, const char *name, int64_t client_id)
{
	struct context *c = s->context;
	struct call call = { .owner = c, .session = s, .client_id = client_id };
	struct session *child = NULL;

	if (name != NULL)
		TAILQ_FOREACH (child, &c->sessions, link)
			if (child->parent == s && strcmp(child->name, name) == 0)
				break;
	if (child == NULL)
		return false;
	browser_call_as(c->browser, &call, s->real, "Target.detachFromTarget",
			json_pack("{ss}", "sessionId", child->real));
	return true;
}
