#include "router.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "buf.h"
#include "gateway.h"
#include "http_internal.h"
#include "mem.h"
#include "rate.h"
#include "session.h"
#include "static.h"
#include "text.h"

static const struct {
	const char *name;
	enum evhttp_cmd_type command;
} methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = { "GET, HEAD", EVHTTP_REQ_GET },
	[HTTP_POST] = { "POST", EVHTTP_REQ_POST },
	[HTTP_DELETE] = { "DELETE", EVHTTP_REQ_DELETE },
};

char *router_decode_path(const char *raw)
{
	size_t len = 0;
	char *path = evhttp_uridecode(raw, 0, &len);

	if (path != NULL && path[0] == '/' && strlen(path) == len && text_is_utf8(path, len) &&
	    !text_has_control(path, len))
		return path;
	free(path);
	return NULL;
}

static bool token_is_valid(const char *token)
{
	static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"abcdefghijklmnopqrstuvwxyz0123456789-_";

	return strspn(token, base64url) == VAULT_TOKEN_SIZE - 1;
}

/* What may stand in a pattern for one of many. */
static const struct hole {
	const char *name;
	size_t len;
	bool (*is_valid)(const char *param);
} holes[] = {
	{ "{id}", ID_LEN, id_is_valid },
	{ "{token}", VAULT_TOKEN_SIZE - 1, token_is_valid },
};

static bool match_hole(const struct hole *hole, const char *at, const char *pattern,
		       const char *path, char *param)
{
	size_t before = (size_t)(at - pattern);

	if (strncmp(pattern, path, before) != 0 || strlen(path + before) < hole->len ||
	    strcmp(at + strlen(hole->name), path + before + hole->len) != 0)
		return false;
	memcpy(param, path + before, hole->len);
	param[hole->len] = '\0';
	if (hole->is_valid(param))
		return true;
	param[0] = '\0';
	return false;
}

bool router_match(const char *pattern, const char *path, char param[ROUTE_PARAM_SIZE])
{
	param[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
		const char *at = strstr(pattern, holes[i].name);

		if (at != NULL)
			return match_hole(&holes[i], at, pattern, path, param);
	}
	return strcmp(pattern, path) == 0;
}

static bool is_served_here(const struct request *r, const struct route *route)
{
	if (!request_is_admin(r))
		return route->access != ROUTE_ADMIN;
	return route->access == ROUTE_ADMIN || strcmp(route->path, "/health") == 0;
}

/* The row, or NULL; allow gets the methods that the path has. */
static const struct route *find_route(struct request *r, struct buf *allow)
{
	enum evhttp_cmd_type command = request_is_head(r) ? EVHTTP_REQ_GET : r->command;
	char param[ROUTE_PARAM_SIZE];

	for (size_t i = 0; i < route_count; i++) {
		const struct route *route = &routes[i];

		if (!is_served_here(r, route) || !router_match(route->path, r->path, param))
			continue;
		if (methods[route->method].command == command) {
			memcpy(r->id_param, param, sizeof(param));
			return route;
		}
		buf_printf(allow, "%s%s", allow->len > 0 ? ", " : "", methods[route->method].name);
	}
	return NULL;
}

static void refuse_method(struct request *r, const char *allow)
{
	reply_header(r, "Allow", allow);
	reply_problem(r, 405, "method_not_allowed", "This path takes %s.", allow);
}

static void dispatch_unknown(struct request *r, const char *allow)
{
	if (allow[0] != '\0')
		refuse_method(r, allow);
	else if (request_is_admin(r) || text_starts_with(r->path, "/api/"))
		reply_problem(r, 404, "not_found", "There is nothing at this path.");
	else if (r->command == EVHTTP_REQ_GET || request_is_head(r))
		static_serve(r);
	else
		refuse_method(r, methods[HTTP_GET].name);
}

/* A page elsewhere can make a browser send simple forms; never JSON, and never our Origin. */
static bool is_forged(const struct request *r)
{
	const char *site = request_header(r, "Sec-Fetch-Site");

	return !request_origin_is_allowed(r) || (site != NULL && strcmp(site, "cross-site") == 0);
}

static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return content_type != NULL && strncasecmp(content_type, json, len) == 0 &&
	       strchr(" ;", content_type[len]) != NULL; /* its NUL too */
}

/* False: the refusal has been sent. */
static bool mutation_may_pass(struct request *r)
{
	size_t body = evbuffer_get_length(evhttp_request_get_input_buffer(r->ev));

	if (is_forged(r)) {
		reply_problem(r, 403, "bad_origin", "Requests from other sites are refused.");
		return false;
	}
	if (body > 0 && !is_json(request_header(r, "Content-Type"))) {
		reply_problem(r, 415, "not_json", "The body must be application/json.");
		return false;
	}
	return true;
}

/* A page that the operator visits could aim a host name of its own at this listener (rebinding);
 * it cannot make the browser say another Host than that name. */
static bool admin_host_is_literal(const struct request *r)
{
	const char *host = request_header(r, "Host");
	struct in6_addr addr;
	char name[64];
	size_t len;

	if (host == NULL)
		return true;
	if (host[0] == '[')
		return true; /* only an IPv6 address has brackets */
	len = strcspn(host, ":");
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &addr) == 1;
}

static void refuse_for_now(struct request *r, int64_t wait_ms)
{
	api_reply_later(r, "too_many_requests", wait_ms, "Too many requests. Wait a moment.");
}

static void write_may_pass(int64_t wait_ms, void *arg)
{
	struct request *r = arg;

	if (wait_ms > 0)
		refuse_for_now(r, wait_ms);
	else
		r->route->fn(r->g, r);
}

/* With its session: the student's own limits. */
static void dispatch_known(struct gateway *g, struct request *r)
{
	const char *user = request_session(r)->user_id;
	char address[RATE_ADDRESS_SIZE];
	int64_t wait_ms;

	if (r->route->access == ROUTE_LEAVING) {
		r->route->fn(g, r);
		return;
	}
	if (r->route->method != HTTP_GET) {
		rate_take(g,
			  (struct rate_ask[]){ { RATE_WRITE_ADDRESS, rate_address(r, address) },
					       { RATE_WRITE_USER, user } },
			  2, write_may_pass, r);
		return;
	}
	wait_ms = rate_take_here(g, &(struct rate_ask){ RATE_READ_USER, user });
	if (wait_ms > 0)
		refuse_for_now(r, wait_ms);
	else
		r->route->fn(g, r);
}

/* Before anything is looked up for it. False: the refusal has been sent. */
static bool address_may_ask(struct request *r)
{
	char address[RATE_ADDRESS_SIZE];
	enum rate_kind kind =
		r->route->access == ROUTE_LEAVING ? RATE_SIGNOUT_ADDRESS : RATE_READ_ADDRESS;
	int64_t wait_ms =
		rate_take_here(r->g, &(struct rate_ask){ kind, rate_address(r, address) });

	if (wait_ms > 0)
		refuse_for_now(r, wait_ms);
	return wait_ms == 0;
}

void router_dispatch(struct request *r)
{
	CLEANUP(buf_done) struct buf allow = BUF_INIT;

	r->path = router_decode_path(evhttp_uri_get_path(evhttp_request_get_evhttp_uri(r->ev)));
	if (r->path == NULL) {
		reply_problem(r, 400, "bad_uri", "The path cannot be decoded.");
		return;
	}
	if (request_is_admin(r) && !admin_host_is_literal(r)) {
		reply_problem(r, 421, "bad_host", "Operators ask by address or as localhost.");
		return;
	}
	r->route = find_route(r, &allow);
	if (r->route == NULL)
		dispatch_unknown(r, allow.data);
	else if (r->route->method != HTTP_GET && !mutation_may_pass(r))
		return;
	else if (r->route->access == ROUTE_PUBLIC || r->route->access == ROUTE_ADMIN)
		r->route->fn(r->g, r);
	else if (!address_may_ask(r))
		return;
	else if (r->route->access == ROUTE_LINK)
		r->route->fn(r->g, r);
	else
		session_require(r->g, r, r->route->access, dispatch_known);
}
