#include "browser.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "frames.h"
#include "health.h"
#include "launch.h"
#include "log.h"
#include "mem.h"
#include "noise.h"
#include "pool.h"
#include "remains.h"
#include "router.h"
#include "timer.h"

#define START_LIMIT_MS 20000
#define LOOK_MS	       20   /* at a dying group */
#define LOOK_SLOW_MS   1000 /* at one that does not die */

static const char *const state_names[BROWSER_STATE_COUNT] = { "starting", "ready", "draining",
							      "dying" };

const char *browser_state_name(enum browser_state state)
{
	return state_names[state];
}

static void browser_set_state(struct browser *b, enum browser_state state)
{
	TAILQ_REMOVE(&b->pool->browsers[b->state], b, link);
	b->state = state;
	TAILQ_INSERT_TAIL(&b->pool->browsers[state], b, link);
	pool_wake(b->pool);
}

/* Calls */

void browser_call_as(struct browser *b, const struct call *call, const char *session,
		     const char *method, json_t *params)
{
	json_t *root =
		json_pack("{sIss}", "id", (json_int_t)calls_add(b->calls, call), "method", method);
	CLEANUP_FREE char *text = NULL;

	if (params != NULL)
		json_object_set_new(root, "params", params);
	if (session != NULL)
		json_object_set_new(root, "sessionId", json_string(session));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	frames_send(b->pipe, text, strlen(text));
	if (call->owner != NULL)
		call->owner->open_calls++;
}

void browser_call(struct browser *b, const char *session, const char *method, json_t *params,
		  call_fn *fn, void *arg)
{
	struct call call = { .fn = fn, .arg = arg };

	browser_call_as(b, &call, session, method, params);
}

static void on_told(void *arg, json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

void browser_tell(struct browser *b, const char *session, const char *method, json_t *params)
{
	browser_call(b, session, method, params, on_told, NULL);
}

static void fail_calls(struct browser *b)
{
	struct call call;

	while (calls_take_any(b->calls, &call))
		if (call.fn != NULL)
			call.fn(call.arg, NULL, "the browser is gone");
}

size_t browser_unsent_bytes(const struct browser *b)
{
	return b->pipe ? frames_unsent_bytes(b->pipe) : 0;
}

/* The end */

static void free_now(void *arg)
{
	struct browser *b = arg;

	event_free(b->timer);
	remains_free(b->remains);
	calls_free(b->calls);
	free(b->profile);
	free(b);
}

static void bury(struct browser *b)
{
	struct error err;

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++) {
		struct context *c;

		while ((c = TAILQ_FIRST(&b->contexts[state])) != NULL)
			context_free(c);
	}
	if (rundir_remove_profile(b->profile, &err) < 0)
		log_warning("profile left behind", "browser=%u reason=\"%s\"", b->id, err.text);
	log_info("browser gone", "browser=%u pid=%d exit=\"%s\" served=%u age_ms=%lld", b->id,
		 (int)b->pid, b->exit, b->served, (long long)(clock_now_ms() - b->started_ms));
	processes_remove_group(b->pool->processes, b->pid);
	TAILQ_REMOVE(&b->pool->browsers[b->state], b, link);
	event_del(b->timer);
	defer_call(b->pool->defer, free_now, b);
	pool_wake(b->pool);
}

static void look_at_dying(struct browser *b)
{
	int64_t dying_ms = clock_now_ms() - b->dying_ms;

	if (child_group_is_gone(b->pid)) {
		bury(b);
		return;
	}
	if (dying_ms >= LOOK_SLOW_MS) {
		child_kill_group(b->pid);
		log_warning("browser does not die", "browser=%u pid=%d dying_ms=%lld", b->id,
			    (int)b->pid, (long long)dying_ms);
	}
	timer_set(b->timer, dying_ms < LOOK_SLOW_MS ? LOOK_MS : LOOK_SLOW_MS);
}

static void close_pipes(struct browser *b)
{
	frames_free(b->pipe);
	b->pipe = NULL;
	noise_stop(b->noise);
	b->noise = NULL;
}

static void count_end(struct browser *b, enum pool_reason reason)
{
	struct pool_totals *totals = &b->pool->totals;

	if (b->pool->stopping)
		return;
	if (reason == POOL_REASON_BROWSER_GONE)
		totals->browsers_gone++;
	else
		totals->browsers_recycled[b->recycle.due]++;
}

void browser_kill(struct browser *b, enum pool_reason reason, const char *why)
{
	struct context *c;

	if (b->state == BROWSER_DYING)
		return;
	log_notice("browser ends", "browser=%u pid=%d state=%s reason=%s detail=\"%s\"", b->id,
		   (int)b->pid, browser_state_name(b->state), pool_reason_name(reason), why);
	count_end(b, reason);
	browser_set_state(b, BROWSER_DYING);
	b->dying_ms = clock_now_ms();
	child_kill_group(b->pid);
	close_pipes(b);
	while ((c = TAILQ_FIRST(&b->contexts[CONTEXT_LENT])) != NULL)
		pool_lease_end(c->lease, reason, why);
	fail_calls(b);
	remains_stop(b->remains);
	health_stop(b->health);
	b->health = NULL;
	if (!b->made_context && reason == POOL_REASON_BROWSER_GONE)
		pool_note_start_failed(b->pool, POOL_REASON_NO_BROWSER);
	timer_set(b->timer, LOOK_MS);
}

static bool is_in_use(const struct browser *b)
{
	return !TAILQ_EMPTY(&b->contexts[CONTEXT_LENT]) ||
	       !TAILQ_EMPTY(&b->contexts[CONTEXT_MAKING]);
}

void browser_note_context(struct browser *b)
{
	if (b->state == BROWSER_DRAINING && !is_in_use(b))
		browser_kill(b, POOL_REASON_RECYCLED, "no lease is left");
}

int64_t browser_drain_left_ms(const struct browser *b)
{
	int64_t over_ms = clock_now_ms() - b->draining_ms;

	return MAX(b->pool->settings->pool_drain_s * 1000 - over_ms, 0);
}

void browser_drain(struct browser *b, enum recycle_reason why)
{
	static const enum context_state unlent[] = { CONTEXT_WARM, CONTEXT_KEEPING, CONTEXT_KEPT };
	struct context *c;

	if (b->state != BROWSER_READY && b->state != BROWSER_STARTING)
		return;
	recycle_note_leaving(b, why);
	if (b->state == BROWSER_STARTING) {
		browser_kill(b, POOL_REASON_RECYCLED, "not needed any more");
		return;
	}
	log_notice("browser drains", "browser=%u pid=%d served=%u reason=%s", b->id, (int)b->pid,
		   b->served, recycle_reason_name(b->recycle.due));
	browser_set_state(b, BROWSER_DRAINING);
	b->draining_ms = clock_now_ms();
	timer_set(b->timer, browser_drain_left_ms(b));
	for (size_t i = 0; i < ARRAY_LEN(unlent); i++)
		while ((c = TAILQ_FIRST(&b->contexts[unlent[i]])) != NULL &&
		       b->state == BROWSER_DRAINING)
			context_dispose(c);
	browser_note_context(b);
}

void browser_note_exit(struct browser *b, int status)
{
	const char *path = b->pool->settings->pool_browser;

	if (WIFSIGNALED(status))
		snprintf(b->exit, sizeof(b->exit), "signal %d", WTERMSIG(status));
	else
		snprintf(b->exit, sizeof(b->exit), "code %d", WEXITSTATUS(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_EXIT_CANNOT_EXECUTE)
		log_error("pool.browser cannot be executed", "path=%s", path);
	browser_kill(b, POOL_REASON_BROWSER_GONE, "its process ended");
	if (child_group_is_gone(b->pid))
		bury(b);
}

/* The start */

static void on_version(void *arg, json_t *result, const char *error)
{
	struct browser *b = arg;
	const char *product = json_string_value(json_object_get(result, "product"));

	if (b->state != BROWSER_STARTING)
		return;
	if (product == NULL) {
		log_error("the browser gave no version", "browser=%u reason=\"%s\"", b->id, error);
		browser_kill(b, POOL_REASON_BROWSER_GONE, "no version");
		return;
	}
	snprintf(b->version, sizeof(b->version), "%s", product);
	log_info("browser ready", "browser=%u pid=%d version=%s took_ms=%lld", b->id, (int)b->pid,
		 b->version, (long long)(clock_now_ms() - b->started_ms));
	event_del(b->timer);
	launch_limit_pages(b);
	browser_set_state(b, BROWSER_READY);
	b->health = health_start(b);
}

static void on_discovering(void *arg, json_t *result, const char *error)
{
	struct browser *b = arg;

	if (b->state != BROWSER_STARTING)
		return;
	if (result == NULL) {
		log_error("the browser cannot watch targets", "browser=%u reason=\"%s\"", b->id,
			  error);
		browser_kill(b, POOL_REASON_BROWSER_GONE, "cannot watch targets");
		return;
	}
	browser_call(b, NULL, "Browser.getVersion", NULL, on_version, b);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct browser *b = arg;

	(void)fd;
	(void)what;
	if (b->state == BROWSER_STARTING)
		browser_kill(b, POOL_REASON_BROWSER_GONE, "did not answer in time");
	else if (b->state == BROWSER_DRAINING)
		browser_kill(b, POOL_REASON_RECYCLED, "pool.drain_s is over");
	else if (b->state == BROWSER_DYING)
		look_at_dying(b);
}

static void on_message(void *arg, const char *text, size_t len)
{
	router_take_message(arg, text, len);
}

static void on_large(void *arg, const char *tail, size_t len)
{
	router_take_large(arg, tail, len);
}

static void on_ended(void *arg)
{
	browser_kill(arg, POOL_REASON_BROWSER_GONE, "its pipe ended");
}

static void on_finished(void *arg)
{
	(void)arg; /* its pipe is never finished, only freed */
}

static void open_pipes(struct browser *b, const struct child *child)
{
	struct frames_limits limits = { .max_message = POOL_MAX_CDP_OUT, .wait_for_end = true };
	struct frames_owner owner = { .message = on_message,
				      .too_large = on_large,
				      .ended = on_ended,
				      .finished = on_finished,
				      .arg = b };

	b->pipe = frames_new(b->pool->base, (struct frames_ends){ child->in_fd, child->out_fd },
			     limits, &owner);
	b->noise = noise_start(b, child->stderr_fd);
}

int browser_start(struct pool *p, struct error *err)
{
	unsigned id = ++p->last_browser_id;
	CLEANUP_FREE char *profile = NULL;
	struct browser *b;
	struct child child;
	int r = rundir_make_profile(p->rundir, id, &profile, err);

	if (r == 0)
		r = launch_chromium(p, profile, &child, err);
	if (r < 0)
		return r;
	b = mem_zalloc(sizeof(*b));
	b->pool = p;
	b->id = id;
	b->pid = child.pid;
	b->profile = profile;
	profile = NULL;
	b->started_ms = clock_now_ms();
	b->calls = calls_new();
	recycle_init(&b->recycle, p->settings->pool_browser);
	b->timer = event_new(p->base, -1, 0, on_timer, b);
	b->remains = remains_new(b);
	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		TAILQ_INIT(&b->contexts[state]);
	b->state = BROWSER_STARTING;
	TAILQ_INSERT_TAIL(&p->browsers[BROWSER_STARTING], b, link);
	processes_add_group(p->processes, b->pid);
	open_pipes(b, &child);
	timer_set(b->timer, START_LIMIT_MS);
	/* An empty filter lets everything through, tabs too, of which a client may want to know. */
	browser_call(b, NULL, "Target.setDiscoverTargets",
		     json_pack("{sb s[{}]}", "discover", 1, "filter"), on_discovering, b);
	return 0;
}
