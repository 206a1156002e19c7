#include "lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "cdpmsg.h"
#include "events.h"
#include "fd.h"
#include "lease_ask.h"
#include "mem.h"
#include "wire.h"

#define POST_MS		   5000		    /* a pool that does not read so long is none */
#define MAX_OPEN_CALLS	   200		    /* the pool refuses a little more */
#define SETTLE_MS	   300

struct post {
	STAILQ_ENTRY(post) link;
	json_t *root;
};

struct lease {
	struct wire wire;
	int64_t last_id;
	unsigned open_calls; /* sent, and not answered */
	STAILQ_HEAD(, post) posts; /* to be sent when there are fewer */
	bool is_keyed;
	bool sticky;
	char end_reason[32]; /* "" while it lives */
	struct events events;
	void (*meanwhile)(void *arg); /* NULL: nothing */
	void *meanwhile_arg;
};

/* ---- messages ---- */

static int end_with(struct lease *l, const char *reason, struct error *err)
{
	if (l->end_reason[0] == '\0')
		snprintf(l->end_reason, sizeof(l->end_reason), "%s", reason);
	return error_set(err, -EPIPE, "the lease ended: %s", l->end_reason);
}

/* What the wire's error means for the lease. */
static int judge(struct lease *l, int r, struct error *err)
{
	if (r == -EPIPE)
		return end_with(l, "pool_gone", err);
	if (r == -EMSGSIZE)
		return end_with(l, pool_reason_name(POOL_REASON_TOO_LARGE), err);
	return r;
}

static int send_json(struct lease *l, json_t *root, struct deadline deadline, struct error *err)
{
	char *text = json_dumps(root, JSON_COMPACT);
	size_t len = strlen(text);
	int r;

	if (len > POOL_MAX_CDP_IN)
		r = error_set(err, -E2BIG, "a message of %zu bytes", len);
	else
		r = judge(l, wire_send(&l->wire, text, len, deadline, err), err);
	mem_wipe(text, len); /* cookies, passwords */
	free(text);
	return r;
}

static int take_pool_ended(struct lease *l, const char *text, size_t len, struct error *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *reason =
		json_string_value(json_object_get(json_object_get(root, "params"), "reason"));
	int r = end_with(l, reason ? reason : "pool_gone", err);

	json_decref(root);
	return r;
}

/* Reads one message. *m is an answer, or an event that has not been kept. */
static int read_cdp(struct lease *l, struct deadline deadline, struct cdpmsg *m, size_t *len,
		    struct error *err)
{
	const char *text;
	int r = judge(l, wire_read(&l->wire, deadline, &text, len, err), err);

	if (r < 0)
		return r;
	if (cdpmsg_scan(text, *len, m, err) < 0)
		return end_with(l, pool_reason_name(POOL_REASON_BAD_MESSAGE), err);
	if (cdpmsg_method_is(m, "Pool.ended"))
		return take_pool_ended(l, text, *len, err);
	return 0;
}

static int take_answer(const char *method, const char *text, size_t len, json_t **ret,
		       struct error *err)
{
	/* Bytes of a stream may be zero; a text elsewhere would end at one unnoticed. */
	size_t flags = strcmp(method, "IO.read") == 0 ? JSON_ALLOW_NUL : 0;
	json_t *root = json_loadb(text, len, flags, NULL);
	json_t *failure = json_object_get(root, "error");
	const char *message = json_string_value(json_object_get(failure, "message"));
	int r = 0;

	if (root == NULL || failure != NULL)
		r = error_set(err, -EREMOTEIO, "%s: %s", method, message ? message : "no JSON");
	else if (ret != NULL)
		*ret = json_incref(json_object_get(root, "result"));
	json_decref(root);
	return r;
}

static int check_alive(struct lease *l, struct error *err)
{
	return l->end_reason[0] == '\0' ? 0 : end_with(l, "", err);
}

/* ---- calls ---- */

/* Takes root. */
static int send_call(struct lease *l, json_t *root, struct deadline deadline, struct error *err)
{
	int r = send_json(l, root, deadline, err);

	json_decref(root);
	if (r == 0)
		l->open_calls++;
	return r;
}

/* The number of open calls is back below its limit after each answer that comes. */
static void send_posts(struct lease *l)
{
	struct post *post;

	while (l->open_calls < MAX_OPEN_CALLS && (post = STAILQ_FIRST(&l->posts)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->posts, link);
		if (l->end_reason[0] != '\0')
			json_decref(post->root);
		else if (send_call(l, post->root, deadline_in(POST_MS), NULL) < 0)
			end_with(l, "pool_gone", NULL);
		free(post);
	}
}

/* Reads one message; what is not the answer to id goes to its handler. 1: nobody has taken it. */
static int read_message(struct lease *l, int64_t id, struct deadline deadline, struct cdpmsg *m,
			size_t *len, struct error *err)
{
	int r = read_cdp(l, deadline, m, len, err);

	if (r < 0)
		return r;
	if (m->has_id) {
		l->open_calls -= l->open_calls > 0;
		send_posts(l);
	}
	if (m->has_id && m->id == id)
		return 1;
	r = m->has_id ? events_tell(&l->events, LEASE_ANSWERS, l, m, *len, true, err)
		      : events_tell_event(&l->events, l, m, *len, err);
	if (r < 0)
		return r;
	return r > 0 ? 0 : 1;
}

static json_t *make_call(struct lease *l, const char *method, json_t *params)
{
	return json_pack("{sI ss sO*}", "id", (json_int_t)++l->last_id, "method", method, "params",
			 params);
}

/* What was posted goes first. */
static int wait_for_posts(struct lease *l, struct deadline deadline, struct error *err)
{
	int r = check_alive(l, err);

	while (r >= 0 && !STAILQ_EMPTY(&l->posts)) {
		struct cdpmsg m;
		size_t len;

		r = read_message(l, 0, deadline, &m, &len, err);
	}
	return MIN(r, 0);
}

void lease_meanwhile(struct lease *l, void (*fn)(void *arg), void *arg)
{
	l->meanwhile = fn;
	l->meanwhile_arg = arg;
}

static void do_meanwhile(struct lease *l)
{
	void (*fn)(void *arg) = l->meanwhile;

	l->meanwhile = NULL;
	if (fn != NULL)
		fn(l->meanwhile_arg);
}

int lease_call(struct lease *l, const char *method, json_t *params, struct deadline deadline,
	       json_t **ret, struct error *err)
{
	int64_t id = 0;
	int r = wait_for_posts(l, deadline, err);

	events_drop(&l->events);
	if (r == 0) {
		r = send_call(l, make_call(l, method, params), deadline, err);
		id = l->last_id;
	}
	if (r == 0)
		do_meanwhile(l);
	while (r == 0) {
		struct cdpmsg m;
		size_t len;

		r = read_message(l, id, deadline, &m, &len, err);
		if (r > 0 && m.has_id && m.id == id)
			return take_answer(method, m.text, len, ret, err);
		if (r > 0 && !m.has_id)
			events_keep(&l->events, m.text, len);
		if (r >= 0)
			r = check_alive(l, err);
	}
	error_prefix(err, "%s", method);
	return r;
}

int lease_post(struct lease *l, const char *method, json_t *params, int64_t *ret)
{
	struct post *post = mem_zalloc(sizeof(*post));

	post->root = make_call(l, method, params);
	json_decref(params);
	if (ret != NULL)
		*ret = l->last_id;
	STAILQ_INSERT_TAIL(&l->posts, post, link);
	send_posts(l);
	return check_alive(l, NULL);
}

/* ---- events ---- */

void lease_handle(struct lease *l, const char *method, lease_event_fn *fn, void *arg,
		  void (*done)(void *arg))
{
	events_handle(&l->events, &(struct handler){ method, fn, arg, done });
}

void *lease_handler_arg(const struct lease *l, const char *method)
{
	return events_handler_arg(&l->events, method);
}

int lease_wait_event(struct lease *l, const char *method, struct deadline deadline, json_t **ret,
		     struct error *err)
{
	int r = 0;

	if (events_take(&l->events, method, ret))
		return 0;
	r = check_alive(l, err);
	while (r == 0) {
		struct cdpmsg m;
		size_t len;

		r = read_message(l, 0, deadline, &m, &len, err);
		if (r > 0 && !m.has_id && cdpmsg_method_is(&m, method)) {
			if (ret != NULL)
				*ret = events_params(m.text, len);
			return 0;
		}
		if (r >= 0)
			r = check_alive(l, err);
	}
	error_prefix(err, "%s", method);
	return r;
}

/* ---- begin and end ---- */

int lease_begin(const char *socket_path, const struct lease_request *req, struct lease **ret,
		struct error *err)
{
	int fd = fd_unix_connect(socket_path, err);
	struct lease *l;
	int r;

	if (fd < 0)
		return fd;
	l = mem_zalloc(sizeof(*l));
	wire_open(&l->wire, fd, POOL_MAX_CDP_OUT, req->tick, req->tick_arg);
	events_init(&l->events);
	STAILQ_INIT(&l->posts);
	l->is_keyed = req->key != NULL;
	r = judge(l, lease_ask(&l->wire, req, &l->sticky, err), err);
	if (r < 0) {
		l->is_keyed = false;
		lease_end(l);
		return r;
	}
	*ret = l;
	return 0;
}

/* The pool keeps no page whose calls are open. */
static void settle(struct lease *l)
{
	struct deadline deadline = deadline_in(SETTLE_MS);
	int r = 0;

	while (r >= 0 && l->end_reason[0] == '\0' &&
	       (l->open_calls > 0 || !STAILQ_EMPTY(&l->posts))) {
		struct cdpmsg m;
		size_t len;

		r = read_message(l, 0, deadline, &m, &len, NULL);
	}
}

static void drop_posts(struct lease *l)
{
	struct post *post;

	while ((post = STAILQ_FIRST(&l->posts)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->posts, link);
		json_decref(post->root);
		free(post);
	}
}

void lease_end(struct lease *l)
{
	if (l == NULL)
		return;
	if (l->is_keyed)
		settle(l);
	drop_posts(l);
	wire_close(&l->wire);
	events_done(&l->events);
	free(l);
}

bool lease_is_sticky(const struct lease *l)
{
	return l->sticky;
}

const char *lease_end_reason(const struct lease *l)
{
	return l ? l->end_reason : "";
}
