/*
 * http_server.h - one listener with its evhttp: public or admin.
 *
 *	http_server_new() -> requests come in -> http_server_stop() (no new connections, answers say
 *	Connection: close) -> http_server_running() == 0, or http_server_end_requests() -> _free()
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "gateway.h"

struct http_server;
struct request;

#define HTTP_ADMIN_CONNECTIONS 512

/* address: "127.0.0.1:8080", "[::1]:8080" or "unix:/path". */
int http_server_new(struct gateway *g, const char *address, bool admin, struct http_server **ret,
		    struct error *err);
/* Whether an address is one, and its folder there; not, whether somebody else listens there. */
int http_server_check(const char *address, struct error *err);
void http_server_stop(struct http_server *s);
size_t http_server_running(const struct http_server *s); /* requests without an answer so far */
void http_server_end_requests(struct http_server *s);	 /* answers 503 to what is left */
void http_server_free(struct http_server *s);

/* For http*.c only. */
bool http_server_is_admin(const struct http_server *s);
bool http_server_is_stopping(const struct http_server *s);
void http_server_add(struct http_server *s, struct request *r);
void http_server_writing(struct request *r);
