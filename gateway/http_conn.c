#include "http_conn.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_internal.h"
#include "log.h"
#include "mem.h"

#define BUCKETS	       1024 /* a power of two */
#define READING_MS     10000
#define WRITING_MS     300000
#define IDLE_MS	       75000
#define GIVE_WAY_MS    1000  /* reading or idle for so long: it goes when others wait for its place … */
#define GIVE_WAY_SHARE 4     /* … but only one of so many in a sweep */
#define INPUT_MAX      65536 /* read ahead of evhttp */
#define SWEEP_MS       1000
#define SWEEP_FULL_MS  50
#define DESCRIPTORS_MS 100

enum conn_state { CONN_READING, CONN_HANDLING, CONN_WRITING, CONN_IDLE };

struct http_conn {
	LIST_ENTRY(http_conn) link;
	struct http_conns *all;
	struct bufferevent *bev;
	struct event *own_answer; /* evhttp wrote an error page: replace it */
	enum conn_state state;
	struct deadline deadline;
};

struct http_conns {
	LIST_ENTRY(http_conns) link;
	struct event_base *base;
	struct evconnlistener *listener; /* NULL once stopped */
	struct event *sweep;
	size_t count, max;
	bool logged_full;
	struct deadline paused_until; /* descriptors ran out */
	LIST_HEAD(, http_conn) buckets[BUCKETS];
};

/* evhttp takes the listener's callback argument for itself, so its error callback looks here. */
static LIST_HEAD(, http_conns) all_conns = LIST_HEAD_INITIALIZER(all_conns);

static const int64_t limits[] = { [CONN_READING] = READING_MS,
				  [CONN_HANDLING] = INT32_MAX,
				  [CONN_WRITING] = WRITING_MS,
				  [CONN_IDLE] = IDLE_MS };

static void set_state(struct http_conn *conn, enum conn_state state)
{
	conn->state = state;
	conn->deadline = deadline_in(limits[state]);
}

static size_t bucket_of(const struct bufferevent *bev)
{
	return ((uintptr_t)bev >> 6 ^ (uintptr_t)bev >> 14) % BUCKETS;
}

struct http_conn *http_conns_find(struct http_conns *c, const struct bufferevent *bev)
{
	struct http_conn *conn;

	LIST_FOREACH(conn, &c->buckets[bucket_of(bev)], link)
		if (conn->bev == bev)
			return conn;
	return NULL;
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *conn = arg;

	(void)input;
	if (info->n_added > 0 && conn->state == CONN_IDLE)
		set_state(conn, CONN_READING);
}

/* Output although no handler has the request: one of evhttp's own HTML error pages. It is complete
 * when evhttp returns to the loop and not yet written: events become ready in a later poll. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *conn = arg;

	(void)output;
	if (info->n_added > 0 && conn->state == CONN_READING)
		event_active(conn->own_answer, EV_TIMEOUT, 0);
}

static const char *own_answer_code(int status)
{
	switch (status) {
	case 408:
		return "request_timeout";
	case 413:
		return "body_too_large";
	case 417:
		return "bad_expectation";
	case 501:
		return "bad_method";
	case 505:
		return "bad_version";
	default:
		return "bad_request";
	}
}

static const char *own_answer_detail(int status)
{
	switch (status) {
	case 408:
		return "The request took too long to arrive.";
	case 413:
		return "The body is larger than this server takes (gateway.max_body_bytes).";
	default:
		return "The request could not be understood.";
	}
}

static void write_own_answer(struct evbuffer *output, int status)
{
	CLEANUP_FREE char *body =
		problem_text(status, own_answer_code(status), own_answer_detail(status));

	evbuffer_add_printf(output,
			    "HTTP/1.1 %d %s\r\n%s"
			    "Cache-Control: no-store\r\nContent-Type: application/problem+json\r\n"
			    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
			    status, http_reason(status), http_security_lines, strlen(body), body);
}

/* So that every answer of this port is problem+json with a code. */
static void on_own_answer(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *conn = arg;
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	char line[16] = "";
	int status;

	(void)fd;
	(void)what;
	if (conn->state != CONN_READING ||
	    evbuffer_copyout(output, line, sizeof(line) - 1) < 12 ||
	    sscanf(line, "HTTP/%*d.%*d %3d", &status) != 1 || status < 400)
		return; /* "100 Continue" */
	set_state(conn, CONN_WRITING);
	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evbuffer_freeze(output, 1);
	write_own_answer(output, status);
}

struct bufferevent *http_conns_bufferevent(struct event_base *base, void *arg)
{
	struct http_conns *c = arg;
	struct http_conn *conn = mem_zalloc(sizeof(*conn));

	conn->all = c;
	conn->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	conn->own_answer = event_new(base, -1, 0, on_own_answer, conn);
	if (conn->bev == NULL || conn->own_answer == NULL)
		abort();
	bufferevent_incref(conn->bev);
	bufferevent_setwatermark(conn->bev, EV_READ, 0, INPUT_MAX);
	evbuffer_add_cb(bufferevent_get_input(conn->bev), on_input, conn);
	evbuffer_add_cb(bufferevent_get_output(conn->bev), on_output, conn);
	set_state(conn, CONN_READING);
	LIST_INSERT_HEAD(&c->buckets[bucket_of(conn->bev)], conn, link);
	if (++c->count >= c->max && c->listener != NULL) {
		struct timeval soon = { 0, SWEEP_FULL_MS * 1000 };

		evconnlistener_disable(c->listener);
		event_add(c->sweep, &soon);
	}
	return conn->bev;
}

static void forget(struct http_conn *conn)
{
	conn->all->count--;
	LIST_REMOVE(conn, link);
	evbuffer_remove_cb(bufferevent_get_input(conn->bev), on_input, conn);
	evbuffer_remove_cb(bufferevent_get_output(conn->bev), on_output, conn);
	event_free(conn->own_answer);
	bufferevent_decref(conn->bev);
	free(conn);
}

static bool evhttp_let_go(const struct http_conn *conn)
{
	bufferevent_event_cb on_event;

	bufferevent_getcb(conn->bev, NULL, NULL, &on_event, NULL);
	return on_event == NULL;
}

/* evhttp sees the end of the connection and frees it in its own time. */
static void drop(struct http_conn *conn)
{
	int fd = (int)bufferevent_getfd(conn->bev);
	struct evbuffer *text;

	if (conn->state == CONN_READING) {
		text = evbuffer_new();
		write_own_answer(text, 408);
		(void)!send(fd, evbuffer_pullup(text, -1), evbuffer_get_length(text),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		evbuffer_free(text);
	}
	shutdown(fd, SHUT_RDWR);
}

/* Nobody waits for an answer of ours on it, and it had its time to ask for one. */
static bool may_give_way(const struct http_conn *conn)
{
	return (conn->state == CONN_READING || conn->state == CONN_IDLE) &&
	       deadline_left_ms(conn->deadline) <= limits[conn->state] - GIVE_WAY_MS;
}

static void sweep_all(struct http_conns *c)
{
	size_t wanted = c->count < c->max ? 0 : c->max / GIVE_WAY_SHARE + 1;
	struct http_conn *conn, *next;

	for (size_t i = 0; i < BUCKETS; i++) {
		for (conn = LIST_FIRST(&c->buckets[i]); conn != NULL; conn = next) {
			next = LIST_NEXT(conn, link);
			if (evhttp_let_go(conn))
				forget(conn);
			else if (conn->state != CONN_HANDLING && deadline_is_over(conn->deadline))
				drop(conn);
			else if (wanted > 0 && may_give_way(conn)) {
				drop(conn);
				wanted--;
			}
		}
	}
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http_conns *c = arg;
	struct timeval again;
	bool full;
	int ms;

	(void)fd;
	(void)what;
	sweep_all(c);
	full = c->count >= c->max;
	if (full && !c->logged_full)
		log_warning("connections are at their limit", "max=%zu", c->max);
	c->logged_full = full;
	if (c->listener != NULL && !full && deadline_is_over(c->paused_until))
		evconnlistener_enable(c->listener);
	ms = full || !deadline_is_over(c->paused_until) ? SWEEP_FULL_MS : SWEEP_MS;
	again = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
	event_add(c->sweep, &again);
}

/* Out of descriptors or memory: the connection stays in the kernel's queue, and asking again at
 * once would only spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct timeval soon = { 0, SWEEP_FULL_MS * 1000 };
	struct http_conns *c;

	(void)arg;
	LIST_FOREACH(c, &all_conns, link)
		if (c->listener == listener)
			break;
	assert(c != NULL);
	if (deadline_is_over(c->paused_until))
		log_warning("cannot accept", "reason=\"%s\"", strerror(errno));
	c->paused_until = deadline_in(DESCRIPTORS_MS);
	evconnlistener_disable(listener);
	event_add(c->sweep, &soon);
}

struct http_conns *http_conns_new(struct event_base *base, struct evconnlistener *listener,
				  size_t max)
{
	struct http_conns *c = mem_zalloc(sizeof(*c));
	struct timeval first = { SWEEP_MS / 1000, 0 };

	c->base = base;
	c->listener = listener;
	c->max = max;
	c->sweep = evtimer_new(base, on_sweep, c);
	event_add(c->sweep, &first);
	LIST_INSERT_HEAD(&all_conns, c, link);
	evconnlistener_set_error_cb(listener, on_accept_error);
	return c;
}

void http_conns_stop(struct http_conns *c)
{
	c->listener = NULL;
}

void http_conns_free(struct http_conns *c)
{
	struct http_conn *conn;

	if (c == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while ((conn = LIST_FIRST(&c->buckets[i])) != NULL)
			forget(conn);
	LIST_REMOVE(c, link);
	event_free(c->sweep);
	free(c);
}

void http_conn_handling(struct http_conn *conn)
{
	set_state(conn, CONN_HANDLING);
}

void http_conn_writing(struct http_conn *conn)
{
	set_state(conn, CONN_WRITING);
}

/* A socket nearly always takes a whole answer: to ask epoll first would cost a turn of the loop and
 * two changes of what it waits for. An error is seen again, and told, by the bufferevent's own write. */
void http_conn_write(struct http_conn *conn)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);

	evbuffer_unfreeze(output, 1);
	evbuffer_write(output, bufferevent_getfd(conn->bev));
	evbuffer_freeze(output, 1);
	if (evbuffer_get_length(output) > 0)
		return;
	bufferevent_disable(conn->bev, EV_WRITE);
	bufferevent_trigger(conn->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

void http_conn_detached(struct http_conn *conn)
{
	assert(evhttp_let_go(conn));
	forget(conn);
}

void http_conn_done(struct http_conn *conn)
{
	bool more = evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;

	set_state(conn, more ? CONN_READING : CONN_IDLE);
}
