#include "http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "http_conn.h"
#include "http_guard.h"
#include "http_internal.h"
#include "log.h"
#include "mem.h"
#include "router.h"
#include "text.h"

#define MAX_HEAD_BYTES	 16384
#define BACKLOG		 4096 /* over it a client tries again after a second, then three … */
#define INACTIVITY_S	 80 /* http_conn.c is stricter; this covers a peer that stops reading */

struct http_server {
	struct gateway *g;
	bool admin, stopping;
	struct evhttp *http;
	struct evhttp_bound_socket *bound; /* owns the listener; NULL once stopped */
	struct http_conns *conns;
	struct request_list running, ended;
	struct event *bury; /* frees the ended ones */
	size_t running_count;
};

bool http_server_is_admin(const struct http_server *s)
{
	return s->admin;
}

bool http_server_is_stopping(const struct http_server *s)
{
	return s->stopping;
}

void http_server_add(struct http_server *s, struct request *r)
{
	LIST_INSERT_HEAD(&s->running, r, link);
	s->running_count++;
}

void request_end(struct request *r)
{
	struct http_server *s = r->server;

	r->ended = true;
	LIST_REMOVE(r, link);
	s->running_count--;
	LIST_INSERT_HEAD(&s->ended, r, link);
	event_active(s->bury, EV_TIMEOUT, 0);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	struct request *r;

	(void)fd;
	(void)what;
	while ((r = LIST_FIRST(&s->ended)) != NULL) {
		LIST_REMOVE(r, link);
		request_free(r);
	}
}

size_t http_server_running(const struct http_server *s)
{
	return s->running_count;
}

static void on_written(struct evhttp_request *ev, void *conn)
{
	(void)ev;
	http_conn_done(conn);
}

void http_server_writing(struct request *r)
{
	http_conn_writing(r->conn);
	evhttp_request_set_on_complete_cb(r->ev, on_written, r->conn);
}

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct http_server *s = arg;
	struct bufferevent *bev =
		evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev));
	struct http_conn *conn = http_conns_find(s->conns, bev);
	struct request *r = request_new(s->g, s, ev, conn);
	struct http_refusal refusal = http_guard_check(ev);

	http_conn_handling(conn);
	if (refusal.status != 0)
		reply_problem_close(r, refusal.status, refusal.code, refusal.detail);
	else
		router_dispatch(r);
}

static void configure(struct http_server *s)
{
	/* All known ones, so that the router answers 405 where evhttp would say 501. */
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
						    EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
						    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
						    EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(s->http, MAX_HEAD_BYTES);
	evhttp_set_max_body_size(s->http, (ev_ssize_t)s->g->settings->gateway_max_body_bytes);
	evhttp_set_timeout(s->http, INACTIVITY_S);
	evhttp_set_default_content_type(s->http, NULL);
	/* No EVHTTP_SERVER_LINGERING_CLOSE: it answers 413 only after it has read the whole body. A
	 * connection that evhttp closes stays half open until http_conn.c's next sweep, so that the
	 * 413 arrives before the reset. */
	evhttp_set_bevcb(s->http, http_conns_bufferevent, s->conns);
	evhttp_set_gencb(s->http, on_request, s);
}

/* "127.0.0.1:8080", "[::1]:8080", ":8080" for all; port 0 lets the kernel choose. */
static struct addrinfo *resolve(const char *address)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(address, ':');
	struct addrinfo *found = NULL;
	CLEANUP_FREE char *host = NULL;
	size_t len;

	if (colon == NULL)
		return NULL;
	len = (size_t)(colon - address);
	if (len >= 2 && address[0] == '[' && address[len - 1] == ']')
		host = mem_strndup(address + 1, len - 2);
	else
		host = mem_strndup(address, len);
	if (getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &found) != 0)
		return NULL;
	return found;
}

static int resolve_or_say(const char *address, struct addrinfo **ret, struct error *err)
{
	*ret = resolve(address);
	if (*ret == NULL)
		return error_set(err, -EINVAL,
				 "listen address \"%s\": expected address:port with a "
				 "literal address, e.g. 127.0.0.1:8080",
				 address);
	return 0;
}

int http_server_check(const char *address, struct error *err)
{
	struct addrinfo *at = NULL;
	int r;

	if (text_starts_with(address, "unix:"))
		return fd_unix_check(address + 5, err);
	r = resolve_or_say(address, &at, err);
	if (r == 0)
		freeaddrinfo(at);
	return r;
}

static int listen_inet(const char *address, struct error *err)
{
	struct addrinfo *at = NULL;
	int fd, r = resolve_or_say(address, &at, err), on = 1;

	if (r < 0)
		return r;
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		/* accepted ones inherit it */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		r = bind(fd, at->ai_addr, at->ai_addrlen);
	}
	if (fd < 0 || r < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		error_set(err, r, "cannot listen on %s: %s", address, strerror(-r));
	}
	freeaddrinfo(at);
	return r < 0 ? r : fd;
}

static int open_listener(const char *address, struct error *err)
{
	int fd;

	if (!text_starts_with(address, "unix:"))
		return listen_inet(address, err);
	fd = fd_unix_listen(address + 5, 0660, BACKLOG, err);
	if (fd >= 0)
		fd_set_nonblock(fd);
	return fd;
}

/* With the port that the kernel chose when the settings say 0. */
static void log_listening(const struct http_server *s, const char *address, int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int port = 0;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family == AF_INET)
		port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	else if (addr.ss_family == AF_INET6)
		port = ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
	log_notice("listening", "address=%s port=%d for=%s", address, port,
		   s->admin ? "operators" : "everyone");
}

int http_server_new(struct gateway *g, const char *address, bool admin, struct http_server **ret,
		    struct error *err)
{
	struct http_server *s;
	struct evconnlistener *listener;
	int fd = open_listener(address, err);

	if (fd < 0)
		return fd;
	s = mem_zalloc(sizeof(*s));
	s->g = g;
	s->admin = admin;
	LIST_INIT(&s->running);
	LIST_INIT(&s->ended);
	s->bury = event_new(g->base, -1, 0, on_bury, s);
	s->http = evhttp_new(g->base);
	listener = evconnlistener_new(g->base, NULL, NULL,
				      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (s->http == NULL || listener == NULL || s->bury == NULL)
		abort();
	s->conns = http_conns_new(g->base, listener,
				  admin ? HTTP_ADMIN_CONNECTIONS
					: (size_t)g->settings->gateway_max_connections);
	configure(s);
	s->bound = evhttp_bind_listener(s->http, listener);
	log_listening(s, address, fd);
	*ret = s;
	return 0;
}

void http_server_stop(struct http_server *s)
{
	s->stopping = true;
	if (s->bound == NULL)
		return;
	http_conns_stop(s->conns);
	evhttp_del_accept_socket(s->http, s->bound);
	s->bound = NULL;
}

/* Buried at once: what a handler had planned for the loop's next turn finds no request any more. */
void http_server_end_requests(struct http_server *s)
{
	struct request *r;

	while ((r = LIST_FIRST(&s->running)) != NULL)
		reply_problem(r, 503, "stopping", "The server stops; try again in a moment.");
	on_bury(-1, 0, s);
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	http_server_stop(s);
	on_bury(-1, 0, s);
	event_free(s->bury);
	evhttp_free(s->http);
	http_conns_free(s->conns);
	free(s);
}
