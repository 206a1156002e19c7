#include "making.h"

#include "browser.h"
#include "clock.h"
#include "context.h"
#include "log.h"
#include "page_process.h"
#include "pool.h"
#include "timer.h"

#define MAKING_LIMIT_S 10

void making_fail(struct context *c, const char *why)
{
	struct browser *b = c->browser;

	if (c->state != CONTEXT_MAKING || b->state == BROWSER_DYING)
		return;
	log_warning("page set-up failed", "browser=%u reason=\"%s\"", b->id, why);
	event_del(c->timer);
	if (c->target[0] == '\0')
		c->target_gone = true; /* if it comes into being yet, it counts as a page */
	if (c->browser_session[0] != '\0')
		context_dispose(c); /* leases may keep this browser for minutes, and this room */
	else
		context_set_state(c, CONTEXT_DISPOSING);
	pool_note_start_failed(b->pool, POOL_REASON_SETUP_FAILED);
	browser_drain(b, RECYCLE_CANARY);
}

static void note_made(struct context *c)
{
	int64_t took_ms = clock_now_ms() - c->begun_ms;
	struct browser *b = c->browser;

	log_debug(c->is_canary ? "canary" : "page ready", "browser=%u took_ms=%lld", b->id,
		  (long long)took_ms);
	b->pool->totals.contexts_made++;
	canary_note_made(b, took_ms);
	priority_note_made(b);
	if (!b->made_context)
		pool_note_started(b->pool);
	b->made_context = true;
}

static void on_alive(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;
	struct browser *b = c->browser;

	if (c->state != CONTEXT_MAKING)
		return;
	if (result == NULL) {
		making_fail(c, error);
		return;
	}
	event_del(c->timer);
	context_set_state(c, CONTEXT_WARM);
	note_made(c);
	if (b->state == BROWSER_DRAINING || (c->is_canary && waiting_count(b->pool->waiting) == 0))
		context_dispose(c);
}

static void on_page_session(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	if (c->state != CONTEXT_MAKING)
		return;
	if (result == NULL || !context_take_name(result, "sessionId", c->page_session)) {
		making_fail(c, result ? "no session for the page" : error);
		return;
	}
	page_process_ask(c);
	browser_call(c->browser, c->page_session, "Runtime.evaluate",
		     json_pack("{ss}", "expression", "1"), on_alive, c);
}

static void on_window(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	c->window = json_integer_value(json_object_get(result, "windowId"));
	if (c->window == 0)
		making_fail(c, result ? "no window" : error);
}

static void on_target(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	if (c->state != CONTEXT_MAKING)
		return;
	if (result == NULL || !context_take_name(result, "targetId", c->target)) {
		making_fail(c, result ? "no target" : error);
		return;
	}
	browser_call(c->browser, NULL, "Browser.getWindowForTarget",
		     json_pack("{ss}", "targetId", c->target), on_window, c);
	browser_call(c->browser, c->browser_session, "Target.attachToTarget",
		     json_pack("{sssb}", "targetId", c->target, "flatten", 1), on_page_session, c);
}

/* It is born hidden: to draw what is blank takes a twentieth of the CPU time of a job that signs
 * in. It is shown when it is lent to who looks at it. */
static json_t *blank_page(const struct context *c)
{
	return json_pack("{ssssss}", "url", "about:blank", "browserContextId", c->name,
			 "windowState", "minimized");
}

static void on_context(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	if (c->state != CONTEXT_MAKING)
		return;
	if (result == NULL || !context_take_name(result, "browserContextId", c->name))
		making_fail(c, result ? "no browser context" : error);
	else
		browser_call(c->browser, c->browser_session, "Target.createTarget", blank_page(c),
			     on_target, c);
}

static void on_browser_session(void *arg, json_t *result, const char *error)
{
	struct context *c = arg;

	if (c->state != CONTEXT_MAKING)
		return;
	if (result == NULL || !context_take_name(result, "sessionId", c->browser_session))
		making_fail(c, result ? "no browser session" : error);
	else
		browser_call(c->browser, c->browser_session, "Target.createBrowserContext",
			     json_pack("{sb}", "disposeOnDetach", 1), on_context, c);
}

void making_note_time(struct context *c)
{
	int64_t left_ms = c->begun_ms + MAKING_LIMIT_S * 1000 - clock_now_ms();

	if (left_ms <= 0) {
		making_fail(c, "not in time");
		return;
	}
	timer_set(c->timer, left_ms);
	pool_wake(c->browser->pool); /* for its priority */
}

void making_begin(struct context *c)
{
	timer_set(c->timer, PRIORITY_PATIENCE_MS);
	browser_call(c->browser, NULL, "Target.attachToBrowserTarget", NULL, on_browser_session, c);
}
