#include "redisloop.h"

#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "mem.h"
#include "text.h"
#include "redisloop_events.h"

#define CONNECT_MS   2000
#define ANSWER_MS    2000
#define WATCH_MS     250
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define FLIGHT_MAX   10000
#define REFUSED_MS   15000 /* a refused write is told for so long */

/*
 *	DOWN -> CONNECTING -> GREETING (AUTH, name, PING) -> UP
 *	any -> DOWN (lost; the timer then leads to CONNECTING)
 */
enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_UP };

struct command {
	TAILQ_ENTRY(command) link; /* in flight, in the order of the answers */
	struct redisloop *loop;
	struct deadline deadline;
	redisloop_fn *fn;
	void *arg;
};

struct redisloop {
	struct event_base *base;
	struct redis_target target;
	redisloop_up_fn *up_fn;
	void *up_arg;
	enum link_state state;
	bool closed;
	redisAsyncContext *ctx; /* NULL while DOWN */
	struct event *retry;
	struct event *watch;
	struct deadline connect_by;
	int pause_ms;
	char reason[128];
	char refusal[128];
	struct deadline refused_until;
	size_t in_flight;
	TAILQ_HEAD(, command) commands;
};

static void set_timer(struct event *timer, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(timer, &tv);
}

/* The one place that changes the state; tells the owner when UP comes or goes. */
static void set_state(struct redisloop *r, enum link_state state)
{
	bool was_up = r->state == LINK_UP;

	r->state = state;
	if (was_up != (state == LINK_UP) && r->up_fn != NULL)
		r->up_fn(state == LINK_UP, r->up_arg);
}

static void set_reason(struct redisloop *r, const char *why)
{
	snprintf(r->reason, sizeof(r->reason), "%s", why != NULL ? why : "?");
}

const char *redisloop_reason(const struct redisloop *r)
{
	return r->reason;
}

/* hiredis has freed, or is about to free, the context and has called all callbacks with NULL. */
static void lost(struct redisloop *r)
{
	r->ctx = NULL;
	event_del(r->watch);
	if (!r->closed) {
		set_timer(r->retry, r->pause_ms / 2 + (int)(random() % (r->pause_ms / 2 + 1)));
		r->pause_ms = MIN(r->pause_ms * 2, PAUSE_MAX_MS);
	}
	set_state(r, LINK_DOWN);
}

/* Closes at once. redisAsyncFree() runs every callback with NULL, and the disconnect callback only
 * if the connection had been made, so our own bookkeeping is done here. */
static void drop(struct redisloop *r, const char *why)
{
	redisAsyncContext *ctx = r->ctx;

	if (ctx == NULL)
		return;
	set_reason(r, why);
	r->ctx = NULL; /* the callbacks below may issue commands: refused */
	ctx->data = NULL;
	redisAsyncFree(ctx);
	lost(r);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct redisloop *r = arg;
	const struct command *oldest = TAILQ_FIRST(&r->commands);

	(void)fd;
	(void)what;
	if (r->state == LINK_CONNECTING ? deadline_is_over(r->connect_by)
					: oldest != NULL && deadline_is_over(oldest->deadline))
		drop(r, "no answer in time");
	else if (r->state == LINK_CONNECTING || oldest != NULL)
		set_timer(r->watch, WATCH_MS);
}

/* Nobody else would say so: whoever rings or tells goes on without. */
static void note_refusal(struct redisloop *r, const struct redis_reply *reply)
{
	static const char *const kinds[] = { "OOM ",	"MISCONF ", "READONLY ", "NOREPLICAS ",
					     "NOPERM ", "BUSY ",    "WRONGTYPE " };
	const char *text = redis_error_text(reply);

	for (size_t i = 0; text != NULL && i < ARRAY_LEN(kinds); i++) {
		if (!text_starts_with(text, kinds[i]))
			continue;
		snprintf(r->refusal, sizeof(r->refusal), "%s", text);
		r->refused_until = deadline_in(REFUSED_MS);
	}
}

const char *redisloop_refusal(const struct redisloop *r)
{
	bool lately = r->refusal[0] != '\0' && !deadline_is_over(r->refused_until);

	return r->state == LINK_UP && lately ? r->refusal : NULL;
}

static void on_reply(redisAsyncContext *ctx, void *reply, void *arg)
{
	struct command *c = arg;

	(void)ctx;
	TAILQ_REMOVE(&c->loop->commands, c, link);
	c->loop->in_flight--;
	note_refusal(c->loop, reply);
	if (c->fn != NULL)
		c->fn(reply, c->arg);
	free(c);
}

static int send_command(struct redisloop *r, int limit_ms, size_t argc, const char *const *argv,
			redisloop_fn *fn, void *arg)
{
	struct command *c = mem_zalloc(sizeof(*c));
	const char **words = mem_zalloc_array(argc, sizeof(*words));
	int done;

	*c = (struct command){ .loop = r, .fn = fn, .arg = arg,
			       .deadline = deadline_in(limit_ms > 0 ? limit_ms : ANSWER_MS) };
	memcpy(words, argv, argc * sizeof(*words));
	TAILQ_INSERT_TAIL(&r->commands, c, link);
	r->in_flight++;
	if (!evtimer_pending(r->watch, NULL))
		set_timer(r->watch, WATCH_MS);
	done = redisAsyncCommandArgv(r->ctx, on_reply, c, (int)argc, words, NULL);
	free(words);
	if (done == REDIS_OK)
		return 0;
	TAILQ_REMOVE(&r->commands, c, link);
	r->in_flight--;
	free(c);
	return -EIO;
}

static void on_pong(const struct redis_reply *reply, void *arg)
{
	const char *text = redis_text(reply, NULL);
	struct redisloop *r = arg;

	if (reply == NULL || r->ctx == NULL)
		return; /* lost meanwhile */
	if (text == NULL || strcmp(text, "PONG") != 0) {
		/* Wrong password, or it still loads. The context cannot be freed from its own
		 * callback: hiredis waits until the callback is done. */
		set_reason(r, redis_error_text(reply));
		redisAsyncDisconnect(r->ctx);
		return;
	}
	r->pause_ms = PAUSE_MIN_MS;
	set_state(r, LINK_UP);
}

static void greet(struct redisloop *r)
{
	const char *auth[] = { "AUTH", r->target.password };
	static const char *const name[] = { "CLIENT", "SETNAME", "pensum-gateway" };
	static const char *const ping[] = { "PING" };

	set_state(r, LINK_GREETING);
	/* On a Unix socket it would fail and leave an error in the context. */
	if (r->target.port != 0)
		redisEnableKeepAlive(&r->ctx->c);
	if (r->target.password != NULL)
		send_command(r, 0, ARRAY_LEN(auth), auth, NULL, NULL);
	send_command(r, 0, ARRAY_LEN(name), name, NULL, NULL);
	send_command(r, 0, ARRAY_LEN(ping), ping, on_pong, r);
}

static void on_connect(const redisAsyncContext *ctx, int status)
{
	struct redisloop *r = ctx->data;

	if (r == NULL)
		return;
	if (status == REDIS_OK) {
		greet(r);
		return;
	}
	set_reason(r, ctx->errstr);
	lost(r); /* hiredis frees the context after this */
}

static void on_disconnect(const redisAsyncContext *ctx, int status)
{
	struct redisloop *r = ctx->data;

	if (r == NULL)
		return;
	if (status != REDIS_OK)
		set_reason(r, ctx->errstr);
	lost(r); /* hiredis frees the context after this */
}

static void connect_start(struct redisloop *r)
{
	redisAsyncContext *ctx =
		r->target.port == 0 ? redisAsyncConnectUnix(r->target.host_or_path)
				    : redisAsyncConnect(r->target.host_or_path, r->target.port);

	if (ctx == NULL)
		abort();
	r->ctx = ctx;
	if (ctx->err != 0) { /* at once: hiredis leaves the context to us, and calls nobody */
		drop(r, ctx->errstr);
		return;
	}
	ctx->data = r;
	r->connect_by = deadline_in(CONNECT_MS);
	set_state(r, LINK_CONNECTING);
	redisloop_events_attach(ctx, r->base);
	redisAsyncSetConnectCallback(ctx, on_connect);
	redisAsyncSetDisconnectCallback(ctx, on_disconnect);
	set_timer(r->watch, WATCH_MS);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connect_start(arg);
}

int redisloop_new(struct event_base *base, const struct settings *s, redisloop_up_fn *up_fn,
		  void *arg, struct redisloop **ret, struct error *err)
{
	struct redis_target target;
	struct redisloop *r;
	int e = redis_target_read(s, &target, err);

	if (e < 0)
		return e;
	r = mem_zalloc(sizeof(*r));
	*r = (struct redisloop){ .base = base, .target = target, .up_fn = up_fn, .up_arg = arg,
				 .pause_ms = PAUSE_MIN_MS };
	TAILQ_INIT(&r->commands);
	r->retry = evtimer_new(base, on_retry, r);
	r->watch = evtimer_new(base, on_watch, r);
	set_timer(r->retry, 0);
	*ret = r;
	return 0;
}

bool redisloop_is_up(const struct redisloop *r)
{
	return r->state == LINK_UP;
}

int redisloop_command(struct redisloop *r, int limit_ms, size_t argc, const char *const *argv,
		      redisloop_fn *fn, void *arg, struct error *err)
{
	if (r->state != LINK_UP || r->ctx == NULL)
		return error_set(err, -EIO, "redis: not connected");
	if (r->in_flight >= FLIGHT_MAX)
		return error_set(err, -EAGAIN, "redis: %d commands in flight", FLIGHT_MAX);
	if (send_command(r, limit_ms, argc, argv, fn, arg) < 0)
		return error_set(err, -EIO, "redis: connection is closing");
	return 0;
}

void redisloop_flush(struct redisloop *r)
{
	if (r->state == LINK_UP && r->ctx != NULL)
		redisloop_events_flush(r->ctx);
}

const char *redis_error_text(const struct redis_reply *reply)
{
	const redisReply *r = (const redisReply *)(const void *)reply;

	return r != NULL && r->type == REDIS_REPLY_ERROR ? r->str : NULL;
}

void redisloop_close(struct redisloop *r)
{
	r->closed = true;
	r->up_fn = NULL;
	event_del(r->retry);
	drop(r, "closed");
}

void redisloop_free(struct redisloop *r)
{
	if (r == NULL)
		return;
	redisloop_close(r);
	event_free(r->retry);
	event_free(r->watch);
	redis_target_done(&r->target);
	free(r);
}
