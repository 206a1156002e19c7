#include "client.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frames.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "status.h"
#include "timer.h"

#define ASKING_LIMIT_MS	   10000 /* for the first message */
#define FINISHING_LIMIT_MS 3000	 /* for reading our last words */

enum client_state { CLIENT_ASKING, CLIENT_HOLDING, CLIENT_FINISHING, CLIENT_GONE };

struct client {
	struct pool *pool;
	struct ucred peer;
	enum client_state state;
	struct frames *frames;
	struct pool_lease *lease; /* after a lease request */
	struct event *timer;
	bool peer_closed, all_said;
	client_gone_fn *gone;
	void *gone_arg;
};

static void free_now(void *arg)
{
	struct client *c = arg;

	pool_lease_free(c->lease);
	event_free(c->timer);
	free(c);
}

void client_drop(struct client *c)
{
	if (c->state == CLIENT_GONE)
		return;
	if (c->lease != NULL)
		pool_lease_end(c->lease, POOL_REASON_SHUTTING_DOWN, "");
	c->state = CLIENT_GONE;
	event_del(c->timer);
	frames_free(c->frames);
	defer_call(c->pool->defer, free_now, c);
}

static void go(struct client *c)
{
	if (c->state == CLIENT_GONE)
		return;
	client_drop(c);
	c->gone(c->gone_arg);
}

void client_send(struct client *c, json_t *message)
{
	CLEANUP_FREE char *text = json_dumps(message, JSON_COMPACT);

	frames_send(c->frames, text, strlen(text));
	json_decref(message);
}

void client_send_pieces(struct client *c, const struct cdp_pieces *pieces)
{
	frames_send_pieces(c->frames, pieces);
}

void client_finish(struct client *c)
{
	if (c->state >= CLIENT_FINISHING)
		return;
	c->state = CLIENT_FINISHING;
	timer_set(c->timer, FINISHING_LIMIT_MS);
	frames_finish(c->frames);
}

void client_begin_cdp(struct client *c)
{
	struct frames_limits limits = { .max_message = POOL_MAX_CDP_IN,
					.newline = frames_speaks_newline(c->frames) };

	frames_set_limits(c->frames, limits);
}

size_t client_unsent_bytes(const struct client *c)
{
	return frames_unsent_bytes(c->frames);
}

uint64_t client_written_bytes(const struct client *c)
{
	return frames_written_bytes(c->frames);
}

static void refuse(struct client *c, const char *sentence)
{
	log_warning("request refused", "reason=bad_message detail=\"%s\"", sentence);
	client_send(c, json_pack("{ss ss ss si}", "type", "refused", "reason",
				 pool_reason_name(POOL_REASON_BAD_MESSAGE), "message", sentence,
				 "retry_after_ms", 0));
	client_finish(c);
}

/* The ops: what a first message can ask for. */

static void op_lease(struct client *c, const struct pool_request *req)
{
	struct pool_request named = *req;

	if (named.client[0] == '\0')
		snprintf(named.client, sizeof(named.client), "uid:%u/pid:%d", (unsigned)c->peer.uid,
			 (int)c->peer.pid);
	event_del(c->timer);
	c->state = CLIENT_HOLDING;
	c->lease = pool_lease_new(c->pool, c, &named);
	pool_lease_begin(c->lease);
}

static void answer_ok(struct client *c)
{
	client_send(c, json_pack("{ss}", "type", "ok"));
	client_finish(c);
}

static void answer_error(struct client *c, const char *code, const char *sentence)
{
	client_send(c, json_pack("{ss ss ss}", "type", "error", "code", code, "message", sentence));
	client_finish(c);
}

static void op_status(struct client *c, const struct pool_request *req)
{
	(void)req;
	client_send(c, status_format(c->pool));
	client_finish(c);
}

static void set_paused(struct client *c, bool paused)
{
	if (c->pool->stopping) {
		answer_error(c, "shutting_down", "the pool is stopping");
		return;
	}
	answer_ok(c);
	pool_set_paused(c->pool, paused);
}

static void op_pause(struct client *c, const struct pool_request *req)
{
	(void)req;
	set_paused(c, true);
}

static void op_resume(struct client *c, const struct pool_request *req)
{
	(void)req;
	set_paused(c, false);
}

static void op_kill(struct client *c, const struct pool_request *req)
{
	struct pool_lease *l = pool_find_lease(c->pool, req->lease);

	if (l == NULL) {
		answer_error(c, "no_such_lease", "no lease with this number is lent or waits");
		return;
	}
	answer_ok(c);
	pool_lease_end(l, POOL_REASON_KILLED, "by a person");
}

static void op_drain(struct client *c, const struct pool_request *req)
{
	(void)req;
	answer_ok(c);
	pool_stop(c->pool, -1);
}

static void op_recycle(struct client *c, const struct pool_request *req)
{
	(void)req;
	answer_ok(c);
	recycle_all(c->pool);
}

static const struct {
	void (*run)(struct client *c, const struct pool_request *req);
	bool for_operators;
} ops[POOL_OP_COUNT] = {
	[POOL_OP_LEASE] = { op_lease, false }, [POOL_OP_STATUS] = { op_status, false },
	[POOL_OP_PAUSE] = { op_pause, true },  [POOL_OP_RESUME] = { op_resume, true },
	[POOL_OP_KILL] = { op_kill, true },    [POOL_OP_RECYCLE] = { op_recycle, true },
	[POOL_OP_DRAIN] = { op_drain, true },
};

static bool is_operator(const struct client *c)
{
	return c->peer.uid == 0 || c->peer.uid == geteuid();
}

static void run_op(struct client *c, const struct pool_request *req)
{
	if (!ops[req->op].for_operators) {
		ops[req->op].run(c, req);
		return;
	}
	log_notice("operation", "op=%s uid=%u pid=%d allowed=%d", pool_op_name(req->op),
		   (unsigned)c->peer.uid, (int)c->peer.pid, (int)is_operator(c));
	if (is_operator(c))
		ops[req->op].run(c, req);
	else
		answer_error(c, "not_allowed", "this is for root and for the pool's own user");
}

static void on_message(void *arg, const char *text, size_t len)
{
	struct client *c = arg;
	struct pool_request req;
	struct error err;

	if (c->state == CLIENT_HOLDING)
		pool_lease_take_message(c->lease, text, len);
	else if (c->state != CLIENT_ASKING)
		return;
	else if (pool_request_parse(text, len, &req, &err) < 0)
		refuse(c, err.text);
	else
		run_op(c, &req);
}

static void on_large(void *arg, const char *tail, size_t len)
{
	struct client *c = arg;

	(void)tail;
	(void)len;
	if (c->state == CLIENT_HOLDING)
		pool_lease_end(c->lease, POOL_REASON_TOO_LARGE, "from the client");
	else if (c->state == CLIENT_ASKING)
		refuse(c, "the request is too long");
}

static void on_ended(void *arg)
{
	struct client *c = arg;

	c->peer_closed = true;
	if (c->state == CLIENT_HOLDING)
		pool_lease_end(c->lease, POOL_REASON_CLIENT_GONE, "");
	if (c->state != CLIENT_FINISHING || c->all_said)
		go(c);
}

static void on_finished(void *arg)
{
	struct client *c = arg;

	c->all_said = true;
	if (c->peer_closed)
		go(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CLIENT_ASKING)
		refuse(c, "no request came");
	else
		go(c);
}

struct client *client_new(struct pool *p, int fd, const struct ucred *peer, client_gone_fn *gone,
			  void *arg)
{
	struct frames_limits limits = { .max_message = POOL_MAX_REQUEST, .newline = true };
	struct client *c = mem_zalloc(sizeof(*c));
	struct frames_owner owner = { .message = on_message,
				      .too_large = on_large,
				      .ended = on_ended,
				      .finished = on_finished,
				      .arg = c };

	c->pool = p;
	c->peer = *peer;
	c->gone = gone;
	c->gone_arg = arg;
	c->timer = event_new(p->base, -1, 0, on_timer, c);
	c->frames = frames_new(p->base, (struct frames_ends){ fd, fd }, limits, &owner);
	timer_set(c->timer, ASKING_LIMIT_MS);
	return c;
}
