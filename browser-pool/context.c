#include "context.h"

#include <stdio.h>
#include <string.h>

#include "browser.h"
#include "clock.h"
#include "log.h"
#include "making.h"
#include "mem.h"
#include "page_process.h"
#include "pool.h"
#include "popups.h"
#include "remains.h"
#include "timer.h"

#define KEEPING_LIMIT_MS  1000
#define DISPOSING_LIMIT_S 5

static const char *const state_names[CONTEXT_STATE_COUNT] = { "making",	 "warm", "lent",
							      "keeping", "kept", "disposing" };

const char *context_state_name(enum context_state state)
{
	return state_names[state];
}

void context_set_state(struct context *c, enum context_state state)
{
	struct browser *b = c->browser;

	TAILQ_REMOVE(&b->contexts[c->state], c, link);
	b->pool->context_count[c->state]--;
	c->state = state;
	TAILQ_INSERT_TAIL(&b->contexts[state], c, link);
	b->pool->context_count[state]++;
	pool_wake(b->pool);
}

static void free_now(void *arg)
{
	struct context *c = arg;

	event_free(c->timer);
	free(c);
}

void context_free(struct context *c)
{
	struct browser *b = c->browser;

	if (c->state == CONTEXT_DISPOSING)
		log_debug("page gone", "browser=%u lease=%u took_ms=%lld", b->id, c->last_lease,
			  (long long)(clock_now_ms() - c->begun_ms));
	TAILQ_REMOVE(&b->contexts[c->state], c, link);
	b->pool->context_count[c->state]--;
	b->context_count--;
	targets_remove_all(c);
	event_del(c->timer);
	defer_call(b->pool->defer, free_now, c);
	pool_wake(b->pool);
}

bool context_take_name(json_t *result, const char *member, char *ret)
{
	const char *name = json_string_value(json_object_get(result, member));

	if (name == NULL || strlen(name) >= CDP_NAME_SIZE || strpbrk(name, "\"\\") != NULL)
		return false;
	memcpy(ret, name, strlen(name) + 1);
	return true;
}

static void note_stuck(struct context *c)
{
	log_warning("a page could not be disposed in time", "browser=%u", c->browser->id);
	browser_drain(c->browser, RECYCLE_STUCK);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct context *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CONTEXT_MAKING)
		making_note_time(c);
	else if (c->state == CONTEXT_DISPOSING)
		note_stuck(c);
	else if (c->state == CONTEXT_KEEPING || c->state == CONTEXT_KEPT)
		context_dispose(c);
}

static struct context *make(struct browser *b)
{
	struct context *c = mem_zalloc(sizeof(*c));

	c->browser = b;
	c->state = CONTEXT_MAKING;
	c->hidden = true;
	TAILQ_INIT(&c->targets);
	TAILQ_INIT(&c->sessions);
	c->begun_ms = clock_now_ms();
	c->timer = event_new(b->pool->base, -1, 0, on_timer, c);
	TAILQ_INSERT_TAIL(&b->contexts[CONTEXT_MAKING], c, link);
	b->pool->context_count[CONTEXT_MAKING]++;
	b->context_count++;
	making_begin(c);
	return c;
}

void context_make(struct browser *b)
{
	make(b);
}

void context_make_canary(struct browser *b)
{
	make(b)->is_canary = true;
}

static void set_hidden(struct context *c, bool hidden)
{
	if (c->hidden == hidden)
		return;
	c->hidden = hidden;
	browser_tell(c->browser, NULL, "Browser.setWindowBounds",
		     json_pack("{sI s{ss}}", "windowId", (json_int_t)c->window, "bounds",
			       "windowState", hidden ? "minimized" : "normal"));
}

void context_lend(struct context *c, struct pool_lease *l)
{
	bool is_browser = l->request.mode == POOL_MODE_BROWSER;

	priority_note_lent(c);
	set_hidden(c, l->request.hidden);
	event_del(c->timer);
	c->lease = l;
	c->last_lease = l->id;
	sessions_begin(c, is_browser ? c->browser_session : c->page_session, is_browser);
	c->browser->served++;
	context_set_state(c, CONTEXT_LENT);
}

/* Keeping */

static void forget_client(struct context *c)
{
	struct call call;

	c->lease = NULL;
	while (calls_take_owner(c->browser->calls, c, &call))
		if (call.fn != NULL)
			call.fn(call.arg, NULL, "the lease is over");
	calls_forget_arg(c->browser->calls, c);
	popups_update(c);
	sessions_end(c);
}

static void on_still_alive(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	(void)error;
	if (c->state != CONTEXT_KEEPING || c->browser->state == BROWSER_DYING)
		return;
	if (result == NULL) {
		context_dispose(c);
		return;
	}
	context_set_state(c, CONTEXT_KEPT);
	timer_set(c->timer, MAX(c->idle_ms - (clock_now_ms() - c->kept_ms), 0));
}

static void on_new_session(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	(void)error;
	if (c->state != CONTEXT_KEEPING || c->browser->state == BROWSER_DYING)
		return;
	if (result == NULL || !context_take_name(result, "sessionId", c->page_session)) {
		context_dispose(c);
		return;
	}
	page_process_ask(c);
	browser_call(c->browser, c->page_session, "Runtime.evaluate",
		     json_pack("{ss}", "expression", "1"), on_still_alive, c);
}

void context_keep(struct context *c, const char *key, int64_t idle_ms)
{
	struct browser *b = c->browser;

	forget_client(c);
	c->idle_ms = idle_ms;
	c->kept_ms = clock_now_ms();
	snprintf(c->key, sizeof(c->key), "%s", key);
	context_set_state(c, CONTEXT_KEEPING);
	timer_set(c->timer, KEEPING_LIMIT_MS);
	browser_tell(b, c->browser_session, "Target.detachFromTarget",
		     json_pack("{ss}", "sessionId", c->page_session));
	browser_call(b, c->browser_session, "Target.attachToTarget",
		     json_pack("{sssb}", "targetId", c->target, "flatten", 1), on_new_session, c);
	browser_note_context(b);
}

/* The end */

/* DISPOSING ends when all of it is gone; the last that Chromium tells of are not its processes. */
static void over_if_complete(struct context *c)
{
	if (c->state == CONTEXT_DISPOSING && c->session_gone && c->target_gone &&
	    c->page_count == 0 && c->question == 0)
		remains_add_context(c->browser->remains, c);
}

static void on_detached(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	(void)result; /* an error says that there is no such session: so it is gone */
	(void)error;
	if (c->browser->state == BROWSER_DYING)
		return;
	c->session_gone = true;
	over_if_complete(c);
}

void context_dispose(struct context *c)
{
	struct browser *b = c->browser;

	forget_client(c);
	context_set_state(c, CONTEXT_DISPOSING);
	c->begun_ms = clock_now_ms();
	if (b->state == BROWSER_DYING)
		return;
	timer_set(c->timer, DISPOSING_LIMIT_S * 1000);
	browser_call(b, NULL, "Target.detachFromTarget",
		     json_pack("{ss}", "sessionId", c->browser_session), on_detached, c);
	browser_note_context(b);
}

static void note_page_gone(struct context *c)
{
	c->target_gone = true;
	if (c->state == CONTEXT_LENT && c->lease->vbrowser != NULL)
		return; /* a browser may be without pages */
	if (c->state == CONTEXT_LENT)
		pool_lease_end(c->lease, POOL_REASON_PAGE_CRASHED, "the page closed itself");
	else if (c->state == CONTEXT_MAKING)
		making_fail(c, "the page vanished");
	else if (c->state != CONTEXT_DISPOSING)
		context_dispose(c);
}

void context_note_destroyed(struct context *c, struct target *t)
{
	bool first = strcmp(t->id, c->target) == 0;

	targets_remove(c, t);
	if (first)
		note_page_gone(c);
	over_if_complete(c);
}

void context_end(struct context *c, enum pool_reason reason, const char *why)
{
	if (c->state == CONTEXT_LENT)
		pool_lease_end(c->lease, reason, why);
	else if (c->state == CONTEXT_MAKING)
		making_fail(c, why);
	else if (c->state != CONTEXT_DISPOSING)
		context_dispose(c);
}

void context_note_crashed(struct context *c, const struct target *t, enum pool_reason reason,
			  const char *status)
{
	bool fatal = strcmp(t->id, c->target) == 0 || reason != POOL_REASON_PAGE_CRASHED;

	canary_note_odd(c->browser);
	if (fatal || (c->state == CONTEXT_LENT && c->lease->vbrowser != NULL))
		context_end(c, reason, status);
	else
		browser_tell(c->browser, NULL, "Target.closeTarget",
			     json_pack("{ss}", "targetId", t->id));
}

struct context *context_find_name(struct browser *b, const char *name)
{
	struct context *c;

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		TAILQ_FOREACH (c, &b->contexts[state], link)
			if (strcmp(name, c->name) == 0)
				return c;
	return NULL;
}
