#include "http_guard.h"

#include <ctype.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_HEADERS 100

int http_guard_is_length(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && len <= 15 && strspn(value, "0123456789") == len;
}

int http_guard_is_token(const char *name)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	const char *c = name;

	while (*c != '\0' && (isalnum((unsigned char)*c) || strchr(marks, *c) != NULL))
		c++;
	return c != name && *c == '\0';
}

int http_guard_is_host(const char *value)
{
	static const char marks[] = ".-_:[]%";
	const char *c = value;

	while (*c != '\0' && (isalnum((unsigned char)*c) || strchr(marks, *c) != NULL))
		c++;
	return c != value && *c == '\0' && c - value < 256;
}

struct seen {
	size_t headers, lengths, encodings, hosts;
	bool bad_name, bad_length, chunked;
	bool has_body;
	const char *host;
};

static void look_at(const struct evkeyval *h, struct seen *seen)
{
	seen->headers++;
	seen->bad_name |= !http_guard_is_token(h->key);
	if (strcasecmp(h->key, "Content-Length") == 0) {
		seen->lengths++;
		seen->bad_length |= !http_guard_is_length(h->value);
		seen->has_body |= strspn(h->value, "0") != strlen(h->value);
	} else if (strcasecmp(h->key, "Transfer-Encoding") == 0) {
		seen->encodings++;
		seen->has_body = true;
		seen->chunked = strcasecmp(h->value, "chunked") == 0;
	} else if (strcasecmp(h->key, "Host") == 0) {
		seen->hosts++;
		seen->host = h->value;
	}
}

/* evhttp reads a body for these only; a body of another is read as the next request. */
static bool may_have_body(enum evhttp_cmd_type command)
{
	return command == EVHTTP_REQ_POST || command == EVHTTP_REQ_PUT ||
	       command == EVHTTP_REQ_PATCH;
}

#define REFUSE(STATUS, CODE, DETAIL) \
	((struct http_refusal){ .status = (STATUS), .code = (CODE), .detail = (DETAIL) })

static struct http_refusal check_headers(const struct seen *seen)
{
	if (seen->headers > MAX_HEADERS)
		return REFUSE(400, "too_many_headers", "Too many headers.");
	if (seen->bad_name)
		return REFUSE(400, "bad_header", "A header's name has characters it must not.");
	if (seen->lengths > 1 || seen->bad_length)
		return REFUSE(400, "bad_length", "Content-Length must be one decimal number.");
	if (seen->lengths > 0 && seen->encodings > 0)
		return REFUSE(400, "bad_length", "Content-Length and Transfer-Encoding together.");
	if (seen->hosts > 1)
		return REFUSE(400, "bad_host", "More than one Host header.");
	if (seen->host != NULL && !http_guard_is_host(seen->host))
		return REFUSE(400, "bad_host", "Host has characters it must not.");
	return REFUSE(0, NULL, NULL);
}

static struct http_refusal check_framing(const struct evhttp_request *ev, const struct seen *seen)
{
	if (ev->major != 1 || (unsigned char)ev->minor > 1)
		return REFUSE(505, "bad_version", "HTTP/1.1 and HTTP/1.0 are spoken here.");
	if (seen->encodings > 0 && ev->minor == 0)
		return REFUSE(400, "bad_encoding", "HTTP/1.0 has no Transfer-Encoding.");
	if (seen->encodings > 1 || (seen->encodings == 1 && !seen->chunked))
		return REFUSE(501, "bad_encoding", "Only Transfer-Encoding: chunked is known.");
	if (seen->hosts == 0 && ev->minor == 1)
		return REFUSE(400, "bad_host", "HTTP/1.1 needs a Host header.");
	if (seen->has_body && !may_have_body(ev->type))
		return REFUSE(400, "unexpected_body", "This method has no body.");
	if (ev->type == EVHTTP_REQ_CONNECT)
		return REFUSE(405, "method_not_allowed", "This is not a proxy.");
	return REFUSE(0, NULL, NULL);
}

/* "GET http://host/path": legal, but then it must be about the host that Host names. */
static struct http_refusal check_uri(struct evhttp_request *ev, const char *host)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(ev);
	const char *named = uri == NULL ? NULL : evhttp_uri_get_host(uri);
	size_t len;

	if (uri == NULL || evhttp_uri_get_path(uri) == NULL)
		return REFUSE(400, "bad_uri", "The request's target is not a path.");
	if (named == NULL)
		return REFUSE(0, NULL, NULL);
	len = strlen(named);
	if (host == NULL || strncasecmp(host, named, len) != 0 ||
	    (host[len] != '\0' && host[len] != ':') || evhttp_uri_get_userinfo(uri) != NULL)
		return REFUSE(400, "bad_uri", "The request's target names another host.");
	return REFUSE(0, NULL, NULL);
}

struct http_refusal http_guard_check(struct evhttp_request *ev)
{
	const struct evkeyval *header;
	struct http_refusal refusal;
	struct seen seen = { 0 };

	TAILQ_FOREACH(header, evhttp_request_get_input_headers(ev), next)
		look_at(header, &seen);
	/* Framing first: its answers say more than "bad header" does. */
	refusal = check_framing(ev, &seen);
	if (refusal.status == 505) /* evhttp answers in the version that it was asked in */
		ev->major = ev->minor = 1;
	if (refusal.status == 0)
		refusal = check_headers(&seen);
	if (refusal.status == 0)
		refusal = check_uri(ev, seen.host);
	return refusal;
}
