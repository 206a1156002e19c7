/*
 * site.c - the local site of the bench: `site FORM DELAY_MS VALUE…`. Prints its URL, ends with its
 * standard input.
 *
 *	GET /login	a form; POST of FORM signs in (a cookie) and leads to /home
 *	GET /home	a light page; ?open needs no sign-in
 *	GET /data/N	JSON with the N-th VALUE after DELAY_MS, for who may see /home
 *
 * It runs on the processors of those that it serves and is in nobody's number, and so it is in C:
 * it answers a client's requests one after the other, as browsers ask, and knows no more of HTTP
 * than they need.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/bench.h"

#define MAX_REQUEST 8192

#define PAGE(title, body)                                                                          \
	"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>" title "</title>"  \
	"<link rel=\"icon\" href=\"data:,\"><style>body { font: 16px sans-serif; "                 \
	"margin: 2em auto; max-width: 40em }</style></head><body><h1>" title "</h1>" body          \
	"</body></html>"
#define LOGIN                                                                                      \
	PAGE("Sign in", "<form method=\"post\" action=\"/login\">"                                 \
			"<label>Username <input name=\"username\"></label>"                        \
			"<label>Password <input name=\"password\" type=\"password\"></label>"      \
			"<button>Sign in</button></form>")

static struct {
	struct event_base *base;
	const char *form;
	struct timeval delay;
	char **values;
	unsigned value_count;
	unsigned sign_ins; /* session n is that of the n-th */
	char home[8192];
	char filling[2001];
} site;

struct connection {
	struct bufferevent *bev;
	struct event *timer; /* pending: the answer to a request is due, and no other is read */
	unsigned data;	     /* which */
};

static void finish(struct connection *c)
{
	event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

static void answer(struct connection *c, const char *status, const char *headers, const char *body)
{
	evbuffer_add_printf(bufferevent_get_output(c->bev),
			    "HTTP/1.1 %s\r\nCache-Control: no-store\r\n%sContent-Length: %zu\r\n"
			    "\r\n%s",
			    status, headers, strlen(body), body);
}

static void answer_page(struct connection *c, const char *text)
{
	answer(c, "200 OK", "Content-Type: text/html; charset=utf-8\r\n", text);
}

static void sign_in(struct connection *c, const char *body)
{
	char headers[128];

	if (strcmp(body, site.form) != 0) {
		answer_page(c, LOGIN);
		return;
	}
	snprintf(headers, sizeof(headers),
		 "Location: /home\r\nSet-Cookie: session=%u; HttpOnly; Path=/\r\n",
		 ++site.sign_ins);
	answer(c, "303 See Other", headers, "");
}

static void answer_data(struct connection *c)
{
	char body[4096];

	snprintf(body, sizeof(body), "{\"value\":%s,\"filling\":\"%s\"}", site.values[c->data],
		 site.filling);
	answer(c, "200 OK", "Content-Type: application/json\r\n", body);
}

static bool is_signed_in(const char *head)
{
	const char *cookie = strcasestr(head, "\r\nCookie: session=");
	unsigned session;

	return cookie != NULL && sscanf(strchr(cookie, '='), "=%u", &session) == 1 &&
	       session >= 1 && session <= site.sign_ins;
}

/* head: from the method to the last header, body: what came behind. */
static void take_request(struct connection *c, const char *head, const char *body)
{
	bool known = is_signed_in(head), may_pass = known;
	char method[8], target[128], *query;

	if (sscanf(head, "%7s %127s", method, target) != 2)
		die("not a request: %.100s", head);
	query = strchr(target, '?');
	if (query != NULL) {
		may_pass = may_pass || strcmp(query, "?open") == 0;
		*query = '\0';
	}
	if (strcmp(target, "/login") == 0 && strcmp(method, "POST") == 0)
		sign_in(c, body);
	else if (strcmp(target, "/login") == 0 && !known)
		answer_page(c, LOGIN);
	else if (strcmp(target, "/login") == 0)
		answer(c, "303 See Other", "Location: /home\r\n", "");
	else if (strcmp(target, "/home") == 0 && may_pass)
		answer_page(c, site.home);
	else if (strcmp(target, "/home") == 0)
		answer(c, "303 See Other", "Location: /login\r\n", "");
	else if (sscanf(target, "/data/%u", &c->data) != 1 || c->data >= site.value_count)
		answer(c, "404 Not Found", "", "");
	else if (!may_pass)
		answer(c, "401 Unauthorized", "", "");
	else
		event_add(c->timer, &site.delay);
}

/* One request, if it is here as a whole. */
static bool read_request(struct connection *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[MAX_REQUEST + 1], body[MAX_REQUEST + 1];
	const char *length;
	size_t head_len, body_len = 0;

	if (end.pos < 0)
		return false;
	head_len = (size_t)end.pos + 4;
	if (head_len > MAX_REQUEST)
		die("a request is too long");
	evbuffer_copyout(in, head, head_len);
	head[head_len] = '\0';
	length = strcasestr(head, "\r\nContent-Length:");
	if (length != NULL)
		body_len = strtoul(strchr(length, ':') + 1, NULL, 10);
	if (body_len > MAX_REQUEST)
		die("a request is too long");
	if (evbuffer_get_length(in) < head_len + body_len)
		return false;
	evbuffer_drain(in, head_len);
	evbuffer_remove(in, body, body_len);
	body[body_len] = '\0';
	take_request(c, head, body);
	return true;
}

static void on_input(struct bufferevent *bev, void *arg)
{
	struct connection *c = arg;

	(void)bev;
	while (!event_pending(c->timer, EV_TIMEOUT, NULL) && read_request(c))
		;
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer_data(arg);
	on_input(NULL, arg);
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	finish(arg);
}

static void on_connection(evutil_socket_t listening, short what, void *arg)
{
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct connection *c;

	(void)what;
	(void)arg;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		die("no memory");
	c->bev = bufferevent_socket_new(site.base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->timer = event_new(site.base, -1, 0, on_due, c);
	bufferevent_setcb(c->bev, on_input, NULL, on_end, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Nothing is ever said there. */
static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_base_loopbreak(site.base);
}

static int start_listening(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		die("no port: %s", strerror(errno));
	printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void write_home(void)
{
	char list[4096];
	size_t used = 0;

	for (int n = 0; n < 40; n++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
					 "<li>Course %d, <a href=\"#%d\">open</a></li>", n, n);
	snprintf(site.home, sizeof(site.home), PAGE("Home", "<ul>%s</ul>"), list);
	memset(site.filling, 'x', sizeof(site.filling) - 1);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("see the comment at the top of site.c");
	site.form = argv[1];
	site.delay.tv_usec = atol(argv[2]) * 1000;
	site.values = argv + 3;
	site.value_count = (unsigned)argc - 3;
	write_home();
	site.base = event_base_new();
	event_add(
		event_new(site.base, start_listening(), EV_READ | EV_PERSIST, on_connection, NULL),
		NULL);
	event_add(event_new(site.base, STDIN_FILENO, EV_READ, on_stdin, NULL), NULL);
	event_base_dispatch(site.base);
	return 0;
}
