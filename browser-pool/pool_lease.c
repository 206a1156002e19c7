#include "pool_lease.h"

#include <errno.h>
#include <jansson.h>

#include "ahead.h"
#include "browser.h"
#include "client.h"
#include "clock.h"
#include "filter.h"
#include "frames.h"
#include "kept.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "popups.h"
#include "tenant.h"
#include "text.h"
#include "timer.h"
#include "vbrowser.h"

#define MAX_OPEN_CALLS	   256		      /* of one client */
#define MAX_BROWSER_UNSENT (32 * 1024 * 1024) /* bytes that wait for the browser */

/* The client's wish within the pool's bounds; 0 means as much as there is. */
static int64_t bounded(int64_t wish_ms, int64_t limit_s)
{
	return wish_ms == 0 ? limit_s * 1000 : MIN(wish_ms, limit_s * 1000);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pool_lease *l = arg;

	(void)fd;
	(void)what;
	if (l->state == POOL_LEASE_WAITING)
		pool_lease_end(l, pool_why_no_page(l->pool), "no page came free in time");
	else
		pool_lease_end(l, POOL_REASON_EXPIRED, "");
}

struct pool_lease *pool_lease_new(struct pool *p, struct client *c,
				  const struct pool_request *request)
{
	struct pool_lease *l = mem_zalloc(sizeof(*l));

	l->pool = p;
	l->client = c;
	l->id = ++p->last_lease_id;
	l->request = *request;
	l->request.wait_ms = bounded(request->wait_ms, p->settings->pool_wait_s);
	l->request.ttl_ms = bounded(request->ttl_ms, p->settings->pool_lease_s);
	l->request.idle_ms = bounded(request->idle_ms, p->settings->pool_keep_s);
	l->asked_ms = clock_now_ms();
	l->timer = event_new(p->base, -1, 0, on_timer, l);
	outflow_init(&l->outflow, l);
	l->state = POOL_LEASE_WAITING;
	l->tenant = tenants_get(p->tenants, request->client);
	waiting_add(p->waiting, l);
	return l;
}

void pool_lease_begin(struct pool_lease *l)
{
	if (l->pool->stopping) {
		pool_lease_end(l, POOL_REASON_SHUTTING_DOWN, "the pool is stopping");
		return;
	}
	timer_set(l->timer, l->request.wait_ms);
	pool_wake(l->pool);
}

void pool_lease_free(struct pool_lease *l)
{
	if (l == NULL)
		return;
	event_free(l->timer);
	outflow_done(&l->outflow);
	vbrowser_free(l->vbrowser);
	tenant_put(l->tenant);
	free(l);
}

/* The only place where a lease changes its state and its list. */
static void pool_lease_set_state(struct pool_lease *l, enum pool_lease_state state)
{
	if (l->state == POOL_LEASE_WAITING && state == POOL_LEASE_LENT) {
		waiting_lend(l->pool->waiting, l);
	} else if (l->state == POOL_LEASE_WAITING) {
		waiting_remove(l->pool->waiting, l);
	} else if (l->state == POOL_LEASE_LENT) {
		TAILQ_REMOVE(&l->pool->lent, l, link);
		waiting_give_back(l->pool->waiting, l);
	}
	l->state = state;
	if (state == POOL_LEASE_LENT)
		TAILQ_INSERT_TAIL(&l->pool->lent, l, link);
	pool_wake(l->pool);
}

void pool_lease_tell_position(struct pool_lease *l, unsigned position)
{
	if (l->position == position)
		return;
	l->position = position;
	client_send(l->client, json_pack("{sssi}", "type", "queued", "position", (int)position));
}

void pool_lease_lend(struct pool_lease *l, struct context *c)
{
	l->lent_ms = clock_now_ms();
	l->context = c;
	l->sticky = c->state == CONTEXT_KEPT;
	context_lend(c, l);
	if (l->request.mode == POOL_MODE_BROWSER)
		l->vbrowser = vbrowser_new(l);
	pool_lease_set_state(l, POOL_LEASE_LENT);
	timer_set(l->timer, l->request.ttl_ms);
	ahead_note_lease_begun(l->pool->ahead);
	l->pool->totals.leased++;
	l->pool->totals.waited_ms += l->lent_ms - l->asked_ms;
	l->pool->totals.sticky += l->sticky;
	client_begin_cdp(l->client);
	client_send(l->client, json_pack("{ss si sI ss sb}", "type", "leased", "lease", (int)l->id,
					 "ttl_ms", (json_int_t)l->request.ttl_ms, "browser",
					 c->browser->version, "sticky", (int)l->sticky));
	log_info("lease begins",
		 "lease=%u class=%s browser=%u sticky=%d waited_ms=%lld client=%s job=%s", l->id,
		 pool_class_name(l->request.cls), c->browser->id, (int)l->sticky,
		 (long long)(l->lent_ms - l->asked_ms), l->tenant->name, l->request.tag);
}

static void end_waiting(struct pool_lease *l, enum pool_reason reason, const char *detail)
{
	pool_lease_set_state(l, POOL_LEASE_OVER);
	l->pool->totals.refused[reason]++;
	log_info("lease refused", "lease=%u class=%s reason=%s waited_ms=%lld client=%s job=%s",
		 l->id, pool_class_name(l->request.cls), pool_reason_name(reason),
		 (long long)(clock_now_ms() - l->asked_ms), l->tenant->name, l->request.tag);
	if (reason == POOL_REASON_CLIENT_GONE)
		return;
	client_send(l->client,
		    json_pack("{ss ss ss sI}", "type", "refused", "reason",
			      pool_reason_name(reason), "message", detail, "retry_after_ms",
			      (json_int_t)pool_retry_after_ms(l->pool)));
	client_finish(l->client);
}

/* Only what a client left on purpose: a page with an open call may be in any state, and one with
 * children that were attached to is not alone. */
static bool is_clean_end(const struct pool_lease *l, enum pool_reason reason)
{
	return reason == POOL_REASON_CLIENT_GONE && l->context->open_calls == 0 &&
	       !l->context->target_gone && l->context->page_count == 1 &&
	       l->context->session_count == 0 && l->vbrowser == NULL;
}

/* Chromium never answers a call whose page or process died: whoever waits for it hears it here. */
static void answer_open_calls(struct pool_lease *l, struct context *c, enum pool_reason reason)
{
	CLEANUP_FREE char *text = mem_printf("pool: the lease ended: %s", pool_reason_name(reason));
	struct call call;

	while (calls_take_owner(c->browser->calls, c, &call)) {
		if (call.fn != NULL)
			call.fn(call.arg, NULL, text);
		else
			pool_lease_answer_error(l, session_client_name(call.session),
						call.client_id, CDP_ERROR_SERVER, text);
	}
}

static void tell_end(struct pool_lease *l, struct context *c, enum pool_reason reason)
{
	client_send(l->client, json_pack("{sss{ss}}", "method", "Pool.ended", "params", "reason",
					 pool_reason_name(reason)));
	answer_open_calls(l, c, reason);
	client_finish(l->client);
}

static void end_lent(struct pool_lease *l, enum pool_reason reason, const char *detail)
{
	struct context *c = l->context;
	int64_t lasted_ms = clock_now_ms() - l->lent_ms;
	bool clean = is_clean_end(l, reason);

	pool_lease_set_state(l, POOL_LEASE_OVER);
	l->context = NULL;
	l->pool->totals.ended[reason]++;
	l->pool->totals.lasted_ms += lasted_ms;
	log_info("lease ends", "lease=%u reason=%s detail=\"%s\" lasted_ms=%lld job=%s", l->id,
		 pool_reason_name(reason), detail, (long long)lasted_ms, l->request.tag);
	pool_note_lease_over(l->pool, lasted_ms);
	if (reason != POOL_REASON_CLIENT_GONE)
		tell_end(l, c, reason);
	if (clean && kept_wants(l->pool, c, &l->request))
		context_keep(c, l->request.key, l->request.idle_ms);
	else
		context_dispose(c);
}

void pool_lease_end(struct pool_lease *l, enum pool_reason reason, const char *detail)
{
	event_del(l->timer);
	outflow_stop(&l->outflow);
	if (l->state == POOL_LEASE_WAITING)
		end_waiting(l, reason, detail);
	else if (l->state == POOL_LEASE_LENT)
		end_lent(l, reason, detail);
}

void pool_lease_give(struct pool_lease *l, const struct cdpmsg *m, int64_t client_id,
		     const char *session)
{
	struct cdp_pieces pieces;

	cdpmsg_readdress(m, client_id, session, &pieces);
	if (!outflow_admits(&l->outflow, !m->has_id, pieces.bytes))
		return;
	client_send_pieces(l->client, &pieces);
	outflow_watch(&l->outflow);
}

void pool_lease_tell(struct pool_lease *l, json_t *message)
{
	client_send(l->client, message);
	outflow_watch(&l->outflow);
}

void pool_lease_answer_error(struct pool_lease *l, const char *session, int64_t id, int code,
			     const char *message)
{
	pool_lease_tell(l, json_pack("{sI s{si ss} ss*}", "id", (json_int_t)id, "error", "code",
				     code, "message", message, "sessionId", session));
}

void pool_lease_deny(struct pool_lease *l, const char *session, const struct cdpmsg *m,
		     const struct error *err)
{
	denied_note(&l->pool->denied, m->text + m->method.at, m->method.len);
	pool_lease_answer_error(l, session, m->id, CDP_ERROR_NO_METHOD, err->text);
}

static int scan(const char *text, size_t len, struct cdpmsg *m, struct error *err)
{
	int r = cdpmsg_scan(text, len, m, err);

	if (r == 0 && !text_is_utf8(text, len))
		r = error_set(err, -EBADMSG, "not UTF-8");
	if (r == 0 && (!m->has_id || m->method.len == 0))
		r = error_set(err, -EBADMSG, "no id or no method");
	return r;
}

static void pass_on(const struct session *s, const struct cdpmsg *m)
{
	struct context *c = s->context;
	struct call call = { .owner = c, .session = s, .client_id = m->id };
	struct cdp_pieces pieces;

	c->open_calls++;
	cdpmsg_readdress(m, calls_add(c->browser->calls, &call), s->real, &pieces);
	frames_send_pieces(c->browser->pipe, &pieces);
}

static json_t *params_of(const struct cdpmsg *m)
{
	return json_loadb(m->text + m->params.at, m->params.len, JSON_REJECT_DUPLICATES, NULL);
}

/* Libraries ask for a world with universal access and live with a plain one. */
static void make_plain_world(struct session *s, const struct cdpmsg *m)
{
	struct context *c = s->context;
	struct call call = { .owner = c, .session = s, .client_id = m->id };
	json_t *params = params_of(m);

	json_object_del(params, "grantUniveralAccess"); /* as Chromium spells it */
	json_object_del(params, "grantUniversalAccess");
	browser_call_as(c->browser, &call, s->real, "Page.createIsolatedWorld", params);
}

static void detach_child(struct pool_lease *l, struct session *s, const struct cdpmsg *m)
{
	json_t *params = params_of(m);
	const char *name = json_string_value(json_object_get(params, "sessionId"));

	if (!session_detach_child(s, name, m->id))
		pool_lease_answer_error(l, session_client_name(s), m->id, CDP_ERROR_BAD_PARAMS,
					"pool: unknown session");
	json_decref(params);
}

/* What the pool answers itself, or asks Chromium in other words. */
static bool answer_here(struct pool_lease *l, struct session *s, const struct cdpmsg *m)
{
	bool library = l->vbrowser != NULL;
	json_t *result = library ? filter_answer(m) : NULL;

	if (result != NULL)
		pool_lease_tell(l, json_pack("{sI so ss*}", "id", (json_int_t)m->id, "result",
					     result, "sessionId", session_client_name(s)));
	else if (library && cdpmsg_method_is(m, "Page.createIsolatedWorld"))
		make_plain_world(s, m);
	else if (cdpmsg_method_is(m, "Target.detachFromTarget"))
		detach_child(l, s, m);
	else
		return false;
	return true;
}

static void take_for_session(struct pool_lease *l, struct session *s, const struct cdpmsg *m)
{
	struct error err = { 0 };

	if (answer_here(l, s, m))
		return;
	if (filter_check(m, &err) < 0)
		pool_lease_deny(l, session_client_name(s), m, &err);
	else
		pass_on(s, m);
	if (cdpmsg_method_is(m, "Runtime.runIfWaitingForDebugger"))
		popups_release(l->context, s->target);
}

static void take_cdp(struct pool_lease *l, const struct cdpmsg *m)
{
	struct session *s = sessions_find(l->context, m);

	if (s == NULL)
		pool_lease_answer_error(l, NULL, m->id, CDP_ERROR_SESSION, "pool: no such session");
	else if (l->context->open_calls >= MAX_OPEN_CALLS)
		pool_lease_answer_error(l, session_client_name(s), m->id, CDP_ERROR_SERVER,
					"pool: too many open calls");
	else if (browser_unsent_bytes(l->context->browser) > MAX_BROWSER_UNSENT)
		pool_lease_answer_error(l, session_client_name(s), m->id, CDP_ERROR_SERVER,
					"pool: the browser is too busy");
	else if (s->is_browser)
		vbrowser_take_message(l->vbrowser, s, m);
	else
		take_for_session(l, s, m);
}

void pool_lease_take_message(struct pool_lease *l, const char *text, size_t len)
{
	struct error err = { 0 };
	struct cdpmsg m;

	if (l->state == POOL_LEASE_WAITING)
		pool_lease_end(l, POOL_REASON_BAD_MESSAGE, "a message before the page was lent");
	else if (scan(text, len, &m, &err) < 0)
		pool_lease_end(l, POOL_REASON_BAD_MESSAGE, err.text);
	else if (client_unsent_bytes(l->client) > POOL_MAX_CDP_OUT)
		pool_lease_end(l, POOL_REASON_SLOW_CONSUMER, "it asks and does not read");
	else
		take_cdp(l, &m);
}
