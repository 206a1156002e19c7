/*
 * http.h - one HTTP request as a handler sees it (implemented on evhttp in http.c).
 *
 * A handler is called on the loop with a request that passed the guard (http_guard.c: deadlines,
 * sizes, header checks) and, when its route says so, the session check. It answers exactly once
 * with a reply_* call, now or in a later callback; until then it may keep r, and r->arena strings
 * stay valid. If the client leaves meanwhile the reply is dropped silently: handlers need not know.
 * After reply_* r must not be touched.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobmsg.h"
#include "sites.h"
#include "vault.h"

struct gateway;
struct request;

typedef void route_fn(struct gateway *g, struct request *r);

enum http_method { HTTP_GET, HTTP_POST, HTTP_DELETE, HTTP_METHOD_COUNT };

enum route_access {
	ROUTE_PUBLIC,  /* no session needed; request_session() may be NULL */
	ROUTE_PENDING, /* a session, also one whose sign-in still runs */
	ROUTE_LEAVING, /* the same, for signing out: however much was asked before, it may pass */
	ROUTE_USER,    /* a signed-in session */
	ROUTE_LINK,    /* no session: who knows the path may */
	ROUTE_ADMIN    /* only on the admin listener */
};

/* The program's interface is one table: routes.c. "{id}" in a path stands for an id, "{token}" for a
 * secret of vault_new_token(). */
#define ROUTE_PARAM_SIZE VAULT_TOKEN_SIZE
struct route {
	enum http_method method;
	const char *path; /* "/api/v1/jobs/{id}" */
	enum route_access access;
	route_fn *fn;
};
extern const struct route routes[];
extern const size_t route_count;

struct session {
	char token_hash[VAULT_HASH_HEX];
	char user_id[VAULT_USER_ID];
	char site[SITE_ID_SIZE]; /* one of sites.h, when a handler sees it */
	char signin_job[ID_LEN + 1]; /* pending: the only job it may see */
	bool active;
	int64_t expires_at; /* wall clock, seconds */
};

/* Reading. Borrowed strings, valid until the reply. */
const char *request_id_param(const struct request *r); /* what {id} or {token} is; NULL: none */
const char *request_query(const struct request *r, const char *name); /* decoded; NULL: absent */
const char *request_header(const struct request *r, const char *name);
bool request_knows(const struct request *r, const char *etag); /* by its If-None-Match */
const char *request_cookie(const struct request *r, const char *name);
const char *request_peer(const struct request *r); /* address, for logs and limits */
const struct session *request_session(const struct request *r);
void request_set_session(struct request *r, const struct session *s); /* copied */

/* The body as a JSON object (borrowed until the reply). NULL: the 4xx has been sent already. */
json_t *request_json(struct request *r);

/* A place for the handler's own state, freed with the request. */
void *request_alloc(struct request *r, size_t size);	    /* zeroed */
char *request_strdup(struct request *r, const char *text);
/* Called once when the request is done with, before its memory goes. */
void request_on_free(struct request *r, void (*fn)(void *arg), void *arg);

/* Answering: exactly one of these. json is taken. */
void reply_json(struct request *r, int status, json_t *json);
void reply_json_text(struct request *r, int status, const char *text, size_t len); /* copied */
void reply_empty(struct request *r, int status);
/* RFC 9457 problem+json with a stable code: {"type":"about:blank","title","status","code","detail"} */
void reply_problem(struct request *r, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* fd is taken and closed; served with Content-Disposition: attachment. */
void reply_file(struct request *r, int fd, uint64_t size, const char *content_type,
		const char *file_name);
/* Before the reply: adds a header. Values come from us or were checked; CR/LF are refused. */
void reply_header(struct request *r, const char *name, const char *value);
