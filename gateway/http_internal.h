/*
 * http_internal.h - what stands behind struct request: shared by http*.c, router.c, static.c,
 * live.c.
 *
 *	evhttp calls back -> request_new() -> guard -> router -> handler -> reply_*()
 *	-> request_end() -> at the end of the loop's turn request_free()
 *
 * The evhttp request is evhttp's and lives until its answer was sent; ours ends with the reply.
 * When the client left in between, evhttp forgets its connection and the reply only frees what is
 * left.
 */
#pragma once

#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#include "http.h"

struct http_conn;
struct http_server;
struct arena_block;
struct free_hook;

struct request {
	struct gateway *g;
	struct http_server *server;
	struct evhttp_request *ev; /* NULL once detached */
	struct http_conn *conn;
	enum evhttp_cmd_type command;
	char *path; /* decoded once; no NUL, no control characters */
	const struct route *route;
	char id_param[ROUTE_PARAM_SIZE];
	char peer[64];
	struct evkeyvalq query;
	bool query_parsed, has_session;
	struct session session;
	json_t *body;
	struct arena_block *arena;
	struct free_hook *hooks;
	int64_t came_us; /* monotonic */
	bool ended;
	LIST_ENTRY(request) link; /* in its server's running or ended requests */
};
LIST_HEAD(request_list, request);

struct request *request_new(struct gateway *g, struct http_server *server,
			    struct evhttp_request *ev, struct http_conn *conn);
/* It has been answered or detached: counts no more, and is freed at the end of the turn, so that a
 * handler that still looks at its state after a refused request_json() reads what it wrote. */
void request_end(struct request *r);
void request_free(struct request *r); /* for http_server.c */

bool request_is_head(const struct request *r);
bool request_is_admin(const struct request *r); /* came in on the admin listener */
bool request_is_api(const struct request *r);	/* never cached, always JSON */
/* Whether an Origin header may come with this request: ours, or none at all. */
bool request_origin_is_allowed(const struct request *r);

/* Answers with body's bytes (taken); content_type NULL: none. */
void reply_buffer(struct request *r, int status, const char *content_type, struct evbuffer *body);
/* The same, and the connection ends after it: its framing cannot be trusted. */
void reply_problem_close(struct request *r, int status, const char *code, const char *detail);

/* The text of a problem+json answer; yours to free(). */
char *problem_text(int status, const char *code, const char *detail);
const char *http_reason(int status);
/* The headers that go on every answer, as they are sent. */
extern const char http_security_lines[];
