#include "http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "gateway.h"
#include "http_internal.h"
#include "http_server.h"
#include "mem.h"
#include "text.h"

struct arena_block {
	struct arena_block *next;
	max_align_t data[];
};

struct free_hook {
	struct free_hook *next;
	void (*fn)(void *arg);
	void *arg;
};

static void read_peer(struct request *r)
{
	struct evhttp_connection *con = evhttp_request_get_connection(r->ev);
	char *address = NULL;
	ev_uint16_t port;

	evhttp_connection_get_peer(con, &address, &port);
	if (address == NULL || address[0] == '\0')
		address = (char[]){ "local" }; /* a Unix socket */
	snprintf(r->peer, sizeof(r->peer), "%s", address);
}

struct request *request_new(struct gateway *g, struct http_server *server,
			    struct evhttp_request *ev, struct http_conn *conn)
{
	struct request *r = mem_zalloc(sizeof(*r));

	r->g = g;
	r->server = server;
	r->ev = ev;
	r->conn = conn;
	r->command = evhttp_request_get_command(ev);
	r->came_us = clock_now_us();
	TAILQ_INIT(&r->query);
	read_peer(r);
	http_server_add(server, r);
	return r;
}

static void run_hooks(struct request *r)
{
	while (r->hooks != NULL) {
		struct free_hook *hook = r->hooks; /* memory of the arena */

		r->hooks = hook->next;
		hook->fn(hook->arg);
	}
}

void request_free(struct request *r)
{
	run_hooks(r);
	evhttp_clear_headers(&r->query);
	json_decref(r->body);
	while (r->arena != NULL) {
		struct arena_block *block = r->arena;

		r->arena = block->next;
		free(block);
	}
	free(r->path);
	mem_wipe(&r->session, sizeof(r->session));
	free(r);
}

void *request_alloc(struct request *r, size_t size)
{
	struct arena_block *block = mem_zalloc(sizeof(*block) + size);

	block->next = r->arena;
	r->arena = block;
	return block->data;
}

char *request_strdup(struct request *r, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(request_alloc(r, size), text, size);
}

void request_on_free(struct request *r, void (*fn)(void *arg), void *arg)
{
	struct free_hook *hook = request_alloc(r, sizeof(*hook));

	*hook = (struct free_hook){ .next = r->hooks, .fn = fn, .arg = arg };
	r->hooks = hook;
}

const char *request_id_param(const struct request *r)
{
	return r->id_param[0] != '\0' ? r->id_param : NULL;
}

/* Parsed on first use. The cache is not part of what the caller sees, hence the cast. */
static struct evkeyvalq *query_of(const struct request *r)
{
	struct request *own = (struct request *)(uintptr_t)r;
	const char *text;

	if (!own->query_parsed) {
		own->query_parsed = true;
		text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->ev));
		if (text != NULL && text[0] != '\0')
			evhttp_parse_query_str(text, &own->query);
	}
	return &own->query;
}

const char *request_query(const struct request *r, const char *name)
{
	return evhttp_find_header(query_of(r), name);
}

const char *request_header(const struct request *r, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(r->ev), name);
}

bool request_knows(const struct request *r, const char *etag)
{
	const char *known = request_header(r, "If-None-Match");

	return known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL);
}

/* "a=1; b=2": where name's value starts and how long it is. */
static const char *find_cookie(const char *header, const char *name, size_t *len)
{
	size_t name_len = strlen(name);

	for (const char *at = header; *at != '\0';) {
		size_t pair;

		at += strspn(at, " \t;");
		pair = strcspn(at, ";");
		if (pair > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
			*len = pair - name_len - 1;
			return at + name_len + 1;
		}
		at += pair;
	}
	return NULL;
}

const char *request_cookie(const struct request *r, const char *name)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(r->ev);
	struct request *own = (struct request *)(uintptr_t)r;
	const struct evkeyval *header;

	TAILQ_FOREACH(header, headers, next) {
		const char *value;
		char *copy;
		size_t len = 0;

		if (strcasecmp(header->key, "Cookie") != 0)
			continue;
		value = find_cookie(header->value, name, &len);
		if (value == NULL)
			continue;
		copy = request_alloc(own, len + 1);
		memcpy(copy, value, len);
		return copy;
	}
	return NULL;
}

const char *request_peer(const struct request *r)
{
	return r->peer;
}

const struct session *request_session(const struct request *r)
{
	return r->has_session ? &r->session : NULL;
}

void request_set_session(struct request *r, const struct session *s)
{
	r->session = *s;
	r->has_session = true;
}

bool request_is_head(const struct request *r)
{
	return r->command == EVHTTP_REQ_HEAD;
}

bool request_is_admin(const struct request *r)
{
	return http_server_is_admin(r->server);
}

bool request_is_api(const struct request *r)
{
	return request_is_admin(r) || r->route != NULL || r->path == NULL ||
	       text_starts_with(r->path, "/api/");
}

/* scheme://host[:port] of a configured address, whatever path follows it. */
static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return host == NULL ? 0 : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

bool request_origin_is_allowed(const struct request *r)
{
	const char *origin = request_header(r, "Origin");
	const char *host = request_header(r, "Host");
	const char *public_url = r->g->settings->gateway_public_url;

	if (origin == NULL)
		return true; /* no browser: they all send it with what changes something */
	if (public_url[0] != '\0')
		return strlen(origin) == origin_len(public_url) &&
		       strncasecmp(origin, public_url, strlen(origin)) == 0;
	return host != NULL && strncasecmp(origin, "http://", 7) == 0 &&
	       strcasecmp(origin + 7, host) == 0;
}
