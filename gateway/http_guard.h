/*
 * http_guard.h - what evhttp 2.1 accepts and we do not: requests that a proxy in front of us could
 * frame or route differently than evhttp did. Checked before anything else looks at the request.
 */
#pragma once

#include <event2/http.h>

struct http_refusal {
	int status; /* 0: the request is fine */
	const char *code;
	const char *detail;
};

/* A refused request's connection must be closed: where the next request starts is not known. */
struct http_refusal http_guard_check(struct evhttp_request *ev);

/* "[0-9]+", at most 15 digits: a Content-Length that everybody reads alike. */
int http_guard_is_length(const char *value);
/* A header's name: one or more token characters (RFC 9110, 5.6.2). */
int http_guard_is_token(const char *name);
/* host[:port], [v6][:port]: nothing that could end up elsewhere than in a host. */
int http_guard_is_host(const char *value);
