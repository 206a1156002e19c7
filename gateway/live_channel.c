#include "live_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "clock.h"
#include "live_message.h"
#include "mem.h"
#include "traffic.h"

#define BAD_MAX	    10 /* messages that were not understood */
#define RATE_PER_S  10
#define RATE_BURST  80 /* a page that comes back subscribes to all that it shows */
#define SPREAD_MS   10000 /* after a stop the channels come back within so long */

struct channel {
	LIST_ENTRY(channel) link;
	struct gateway *g;
	struct live_socket *socket;
	struct hub_client *client; /* knows whose it is */
	int bad;
	int tokens;
	int64_t tokens_at_ms;
	int64_t made_ms;
};

static void send_json(struct channel *c, json_t *json)
{
	struct live_frame *frame = live_frame_new(json);

	live_socket_send(c->socket, frame, NULL, false);
	live_frame_unref(frame);
}

static void say_hello(struct channel *c)
{
	const struct session *s = hub_client_session(c->client);

	send_json(c, json_pack("{s:s, s:s, s:b}", "type", "hello", "user", s->user_id, "active",
			       s->active));
	hub_subscribe_own(c->client);
}

static void on_send(void *arg, struct live_frame *frame, const char *job, bool replaceable)
{
	struct channel *c = arg;

	live_socket_send(c->socket, frame, job, replaceable);
}

static void on_signed_in(void *arg)
{
	say_hello(arg);
}

static void on_close(void *arg, int code, const char *reason)
{
	struct channel *c = arg;

	live_socket_close(c->socket, code, reason);
}

static const struct hub_client_ops client_ops = {
	.send = on_send,
	.signed_in = on_signed_in,
	.close = on_close,
};

struct channel *channel_new(struct gateway *g, struct channel_list *all, const struct session *s)
{
	struct channel *c = mem_zalloc(sizeof(*c));

	c->g = g;
	c->tokens = RATE_BURST;
	c->made_ms = c->tokens_at_ms = clock_now_ms();
	c->client = hub_join(g->hub, s, &client_ops, c);
	LIST_INSERT_HEAD(all, c, link);
	return c;
}

void channel_free(struct channel *c)
{
	LIST_REMOVE(c, link);
	hub_leave(c->client);
	free(c);
}

void channel_close_expired(struct channel_list *all)
{
	int64_t now_s = clock_wall_ms() / 1000;
	struct channel *c;

	LIST_FOREACH(c, all, link)
		if (now_s >= hub_client_session(c->client)->expires_at)
			live_socket_close(c->socket, 4401, "session expired");
}

int channel_wait_s(const struct channel_list *all, const char *user_id)
{
	int64_t now_ms = clock_now_ms(), now_s = clock_wall_ms() / 1000;
	int64_t session_s = ADMISSION_WAIT_MAX_S;
	double ends_per_s = 0;
	const struct channel *c;

	LIST_FOREACH(c, all, link) {
		const struct session *s = hub_client_session(c->client);

		if (strcmp(s->user_id, user_id) != 0)
			continue;
		ends_per_s += 1000.0 / (double)MAX(1000, now_ms - c->made_ms);
		session_s = MIN(session_s, MAX(1, s->expires_at - now_s + 1));
	}
	return MIN((int)session_s, admission_wait_s(1, ends_per_s));
}

void channel_close_all_spread(struct channel_list *all)
{
	struct channel *c;
	char reason[64];

	LIST_FOREACH(c, all, link) {
		snprintf(reason, sizeof(reason), "{\"retry_after_ms\":%ld}",
			 random() % SPREAD_MS);
		live_socket_close(c->socket, 1001, reason);
	}
}

static void on_opened(void *arg, struct live_socket *s)
{
	struct channel *c = arg;

	c->socket = s;
	say_hello(c);
}

static void on_conflated(void *arg)
{
	struct channel *c = arg;

	traffic_conflated(c->g->traffic);
}

static void on_closed(void *arg, int code)
{
	struct channel *c = arg;

	traffic_channel_closed(c->g->traffic, code);
	channel_free(c);
}

static void refuse(struct channel *c, const char *code, const char *detail)
{
	if (++c->bad >= BAD_MAX)
		live_socket_close(c->socket, 1008, "too many bad messages");
	else
		send_json(c, json_pack("{s:s, s:s, s:s}", "type", "error", "code", code, "detail",
				       detail));
}

static void on_subscribe(struct channel *c, const struct live_message *m)
{
	if (hub_subscribe(c->client, m->job, m->have) < 0)
		refuse(c, "too_many_jobs", "This channel watches enough jobs already.");
}

static bool take_token(struct channel *c)
{
	int64_t now = clock_now_ms();
	int64_t gained = (now - c->tokens_at_ms) * RATE_PER_S / 1000;

	if (gained > 0) {
		c->tokens = (int)MIN(RATE_BURST, c->tokens + gained);
		c->tokens_at_ms = now;
	}
	if (c->tokens == 0)
		return false;
	c->tokens--;
	return true;
}

static void on_message(void *arg, const char *text, size_t len)
{
	const struct live_refusal *refusal;
	struct channel *c = arg;
	struct live_message m;

	if (!take_token(c)) {
		refuse(c, "too_many_messages", "Slow down.");
		return;
	}
	refusal = live_message_parse(text, len, &m);
	if (refusal != NULL)
		refuse(c, refusal->code, refusal->detail);
	else if (m.type == LIVE_SUBSCRIBE)
		on_subscribe(c, &m);
	else
		send_json(c, json_pack("{s:s}", "type", "pong"));
}

const struct live_ws_ops live_channel_ops = {
	.opened = on_opened,
	.message = on_message,
	.conflated = on_conflated,
	.closed = on_closed,
};
