/*
 * gateway.h - the gateway's parts, built once in main.c and borrowed by everything else.
 */
#pragma once

#include <event2/event.h>

#include "pgloop.h"
#include "redisloop.h"
#include "settings.h"
#include "store.h"
#include "vault.h"

struct hub;    /* hub.h: live subscriptions and the newest events */
struct feeder; /* feeder.h: rings for the jobs whose turn it is */
struct positions; /* positions.h: where queued jobs stand */
struct hasher; /* hasher.h: the helper thread that checks passwords */
struct live;
struct http_server;
struct session_recent;
struct traffic;
struct forgetting;
struct submit_queue;

struct gateway {
	const struct settings *settings;
	struct event_base *base;
	struct pgloop *pg;
	struct redisloop *redis;	/* commands */
	struct redisloop *redis_events; /* the blocking XREAD of pensum:events */
	struct vault *vault;
	struct store *store; /* finished documents */
	struct session_recent *sessions; /* looked up a moment ago */
	struct hub *hub;
	struct feeder *feeder;
	struct positions *positions;
	struct submit_queue *submits; /* submit_queue.h: on their way to be committed */
	struct hasher *hasher;
	struct live *live;			/* live.h: the WebSockets */
	struct http_server *server;		/* http_server.h */
	struct http_server *admin_server;
	struct traffic *traffic; /* traffic.h: what is counted here */
	struct forgetting *forgetting; /* farewell.h: what goes in a moment */
	int64_t started_ms; /* monotonic */
};
