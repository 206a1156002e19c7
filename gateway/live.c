#include "live.h"

#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "buf.h"
#include "clock.h"
#include "detach.h"
#include "http_conn.h"
#include "http_internal.h"
#include "hub.h"
#include "live_channel.h"
#include "log.h"
#include "mem.h"
#include "traffic.h"

#define KEY_LEN		 24 /* 16 bytes as base64 */
#define SUB_PROTOCOL	 "pensum.v1"
#define FULL_S		 30 /* so far back it is looked how places become free */
#define STOPPING_S	 8  /* then another gateway is here, or this one again */

struct live {
	struct gateway *g;
	struct live_ws *ws;
	struct channel_list channels;
	struct event *look; /* every second: whose session is over, who reads nothing? */
	bool stopping;
	int second; /* of the two rings */
	uint64_t closed[FULL_S]; /* ever, at each of the last seconds */
	unsigned refused[FULL_S]; /* for want of a place, in each of them */
};

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct live *l = arg;

	(void)fd;
	(void)what;
	l->second = (l->second + 1) % FULL_S;
	l->closed[l->second] = traffic_closed_total(l->g->traffic);
	l->refused[l->second] = 0;
	channel_close_expired(&l->channels);
	live_ws_look(l->ws);
}

int live_new(struct gateway *g, struct live **ret, struct error *err)
{
	static const struct timeval every = { 1, 0 };
	struct live *l = mem_zalloc(sizeof(*l));
	int r = live_ws_new(g->base, &live_channel_ops, &l->ws, err);

	if (r < 0) {
		free(l);
		return r;
	}
	l->g = g;
	LIST_INIT(&l->channels);
	l->look = event_new(g->base, -1, EV_PERSIST, on_look, l);
	event_add(l->look, &every);
	*ret = l;
	return 0;
}

void live_before_wait(struct live *l)
{
	live_ws_before_wait(l->ws);
}

void live_after_wait(struct live *l)
{
	live_ws_after_wait(l->ws);
}

size_t live_count(const struct live *l)
{
	return live_ws_count(l->ws);
}

void live_stop(struct live *l)
{
	l->stopping = true;
	channel_close_all_spread(&l->channels);
}

void live_free(struct live *l)
{
	if (l == NULL)
		return;
	live_ws_free(l->ws);
	event_free(l->look);
	free(l);
}

/* A list header such as "keep-alive, Upgrade" has the word, in any case. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list != NULL && *list != '\0') {
		size_t part;

		list += strspn(list, " \t,");
		part = strcspn(list, " \t,");
		if (part == len && strncasecmp(list, word, len) == 0)
			return true;
		list += part;
	}
	return false;
}

/* 22 base64 characters and "==", of which the last character carries two bits only. */
static bool is_key(const char *key)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";

	return key != NULL && strlen(key) == KEY_LEN && strspn(key, base64) == KEY_LEN - 2 &&
	       strcmp(key + KEY_LEN - 2, "==") == 0 && strchr("AQgw", key[KEY_LEN - 3]) != NULL;
}

/* False: the refusal has been sent. */
static bool handshake_is_good(struct request *r)
{
	const char *version = request_header(r, "Sec-WebSocket-Version");

	if (!has_word(request_header(r, "Upgrade"), "websocket") ||
	    !has_word(request_header(r, "Connection"), "upgrade") || request_is_head(r)) {
		reply_header(r, "Upgrade", "websocket");
		reply_problem(r, 426, "websocket_expected", "This path speaks WebSocket.");
	} else if (version == NULL || strcmp(version, "13") != 0) {
		reply_header(r, "Sec-WebSocket-Version", "13");
		reply_problem(r, 426, "websocket_version", "Only WebSocket version 13 is known.");
	} else if (!is_key(request_header(r, "Sec-WebSocket-Key"))) {
		reply_problem(r, 400, "websocket_key", "Sec-WebSocket-Key must be 16 bytes.");
	} else {
		return true;
	}
	return false;
}

/* All who were refused lately want the places that become free. */
static int full_wait_s(struct live *l)
{
	uint64_t before = l->closed[(l->second + 1) % FULL_S];
	double surplus = 0;

	l->refused[l->second]++;
	for (int i = 0; i < FULL_S; i++)
		surplus += l->refused[i];
	return admission_wait_s(surplus,
				(double)(traffic_closed_total(l->g->traffic) - before) / FULL_S);
}

static void refuse_for(struct request *r, int wait_s, int status, const char *code,
		       const char *detail)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", wait_s);
	reply_header(r, "Retry-After", seconds);
	reply_problem(r, status, code, "%s", detail);
}

static bool may_open(struct gateway *g, struct request *r)
{
	const struct session *s = request_session(r);
	size_t max = (size_t)g->settings->gateway_max_live;

	if (!request_origin_is_allowed(r)) {
		reply_problem(r, 403, "bad_origin", "Requests from other sites are refused.");
	} else if (g->live->stopping || live_count(g->live) >= max) {
		refuse_for(r,
			   g->live->stopping ? admission_spread_s(STOPPING_S)
					     : full_wait_s(g->live),
			   503, "live_full", "All live channels are taken; ask again soon.");
	} else if (hub_client_count(g->hub, s->user_id) >=
		   (size_t)g->settings->gateway_user_live) {
		refuse_for(r, channel_wait_s(&g->live->channels, s->user_id), 429,
			   "too_many_channels", "Close another tab of this page first.");
	} else {
		return true;
	}
	return false;
}

/* All that libwebsockets gets to see: no cookies, no extensions, nothing that the client chose but
 * a checked key. */
static void write_head(const struct request *r, struct buf *head)
{
	buf_printf(head,
		   "GET /live HTTP/1.1\r\nHost: pensum\r\nUpgrade: websocket\r\n"
		   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
		   request_header(r, "Sec-WebSocket-Key"));
	if (has_word(request_header(r, "Sec-WebSocket-Protocol"), SUB_PROTOCOL))
		buf_add_str(head, "Sec-WebSocket-Protocol: " SUB_PROTOCOL "\r\n");
	buf_add_str(head, "\r\n");
}

static void upgrade(struct gateway *g, struct request *r)
{
	CLEANUP(buf_done) struct buf head = BUF_INIT;
	struct channel *c;
	struct error err;
	int fd;

	write_head(r, &head);
	fd = detach_socket(r->ev, &head, &err);
	if (fd < 0) {
		log_warning("live channel not opened", "reason=\"%s\"", err.text);
		reply_problem(r, 503, "live_failed", "The channel could not be opened.");
		return;
	}
	http_conn_detached(r->conn);
	c = channel_new(g, &g->live->channels, request_session(r));
	traffic_answered(g->traffic, r->route, 101, clock_now_us() - r->came_us);
	r->ev = NULL;
	request_end(r);
	if (!live_ws_adopt(g->live->ws, fd, head.data, head.len, c)) {
		log_warning("live channel not opened", "reason=\"handshake failed\"");
		channel_free(c);
	}
}

static void open_now(evutil_socket_t fd, short what, void *arg)
{
	struct request *r = arg;

	(void)fd;
	(void)what;
	if (evhttp_request_get_connection(r->ev) == NULL)
		reply_empty(r, 400); /* the client left meanwhile */
	else if (may_open(r->g, r) && handshake_is_good(r))
		upgrade(r->g, r);
}

static void free_event(void *arg)
{
	event_free(arg);
}

/* In the loop's next turn: see detach.h. */
void live_open(struct gateway *g, struct request *r)
{
	static const struct timeval next_turn = { 0, 1 };
	struct event *event = evtimer_new(g->base, open_now, r);

	if (event == NULL)
		abort();
	request_on_free(r, free_event, event);
	event_add(event, &next_turn);
}
