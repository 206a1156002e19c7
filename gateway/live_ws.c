#include "live_ws.h"

#include "mem.h" /* first: sys/param.h has a MIN of its own */

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "buf.h"
#include "clock.h"
#include "live_loop.h"
#include "live_pace.h"
#include "live_queue.h"
#include "log.h"

#define CLOSE_S		5 /* until a peer that reads nothing is cut off */
#define PING_S		25
#define HANGUP_S	35
#define RX_BUFFER	128 /* of each socket, all the time; longer messages come in parts */
#define BATCH_BYTES	16384 /* a frame of several messages is ended behind so many */

_Static_assert(LIVE_FRAME_HEAD >= LWS_PRE, "room for libwebsockets' header");

struct live_socket {
	TAILQ_ENTRY(live_socket) pending_link;
	bool pending; /* in ws->pending */
	LIST_ENTRY(live_socket) watched_link;
	struct live_pace pace; /* .watched: in ws->watched */
	struct live_ws *ws;
	struct lws *wsi;
	void *arg;
	struct live_queue queue;
	int close_code; /* 0: open */
	int peer_code;	/* what it said to end the channel; 0: nothing so far */
	bool close_said;
	char *close_reason; /* NULL: open */
	struct buf message; /* what has come of it so far; without memory in between */
};

struct live_ws {
	const struct live_ws_ops *ops;
	struct live_loop *loop;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct live_socket *adopting; /* during live_ws_adopt() */
	/* What this turn of the loop has for them is to be sent. */
	TAILQ_HEAD(, live_socket) pending;
	/* Not all that was written has arrived, at the last look. */
	LIST_HEAD(, live_socket) watched;
	size_t count;
};

static const lws_retry_bo_t liveness = { .secs_since_valid_ping = PING_S,
					 .secs_since_valid_hangup = HANGUP_S };

void live_socket_close(struct live_socket *s, int code, const char *reason)
{
	if (s->close_code != 0)
		return;
	s->close_code = code;
	s->close_reason = mem_strdup(reason);
	live_queue_done(&s->queue);
	/* Said as soon as the socket takes it, and cut off when it does not. */
	lws_callback_on_writable(s->wsi);
	lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_S);
}

static int write_text(struct live_socket *s, unsigned char *text, size_t len)
{
	if (live_pace_wrote(&s->pace, len, clock_now_ms()))
		LIST_INSERT_HEAD(&s->ws->watched, s, watched_link);
	return lws_write(s->wsi, text, len, LWS_WRITE_TEXT);
}

static int write_one(struct live_socket *s)
{
	struct live_frame *frame = live_queue_take(&s->queue);
	int sent = write_text(s, frame->text, frame->len);

	live_frame_unref(frame);
	return sent;
}

/* "[message,message]": one frame, one system call and one wake-up of the page. */
static int write_several(struct live_socket *s)
{
	CLEANUP(buf_done) struct buf all = BUF_INIT;

	buf_reserve(&all, LIVE_FRAME_HEAD + s->queue.bytes + s->queue.count + 1);
	all.len = LIVE_FRAME_HEAD;
	do {
		struct live_frame *frame = live_queue_take(&s->queue);

		buf_add_char(&all, all.len == LIVE_FRAME_HEAD ? '[' : ',');
		buf_add(&all, frame->text, frame->len);
		live_frame_unref(frame);
	} while (s->queue.count > 0 && all.len < LIVE_FRAME_HEAD + BATCH_BYTES);
	buf_add_char(&all, ']');
	return write_text(s, (unsigned char *)all.data + LIVE_FRAME_HEAD,
			  all.len - LIVE_FRAME_HEAD);
}

/* <0: libwebsockets has found the connection broken. */
static int flush(struct live_socket *s)
{
	int sent = 0;

	while (sent >= 0 && s->queue.count > 0 && !lws_partial_buffered(s->wsi))
		sent = s->queue.count == 1 ? write_one(s) : write_several(s);
	return sent;
}

static void add_pending(struct live_socket *s)
{
	if (s->pending)
		return;
	s->pending = true;
	TAILQ_INSERT_TAIL(&s->ws->pending, s, pending_link);
}

static void remove_pending(struct live_socket *s)
{
	if (s->pending)
		TAILQ_REMOVE(&s->ws->pending, s, pending_link);
	s->pending = false;
}

/* A socket nearly always takes what there is: to ask epoll first, as libwebsockets would, costs two
 * changes of what it waits for. It is asked when something is left. */
static void flush_pending(struct live_ws *ws)
{
	struct live_socket *s;

	while ((s = TAILQ_FIRST(&ws->pending)) != NULL) {
		remove_pending(s);
		if (s->peer_code == 0 && flush(s) < 0)
			lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
		else if (s->queue.count > 0)
			lws_callback_on_writable(s->wsi);
	}
}

/* One turn of the loop may bring more than the queue holds, to a peer that reads well: so a full
 * queue is written at once, and only what the socket does not take counts against the peer. */
void live_socket_send(struct live_socket *s, struct live_frame *frame, const char *job,
		      bool replaceable)
{
	int pushed;

	if (s->close_code != 0)
		return;
	pushed = live_queue_push(&s->queue, frame, job, replaceable);
	if (pushed < 0 && flush(s) >= 0)
		pushed = live_queue_push(&s->queue, frame, job, replaceable);
	if (pushed > 0)
		s->ws->ops->conflated(s->arg);
	if (pushed < 0)
		live_socket_close(s, 4008, "reads too slowly");
	else
		add_pending(s);
}

void live_ws_look(struct live_ws *ws)
{
	int64_t now = clock_now_ms();
	struct live_socket *s, *next;

	for (s = LIST_FIRST(&ws->watched); s != NULL; s = next) {
		size_t unconfirmed = live_pace_unconfirmed(lws_get_socket_fd(s->wsi));

		next = LIST_NEXT(s, watched_link);
		if (live_pace_has_stalled(&s->pace, unconfirmed, now))
			live_socket_close(s, 4008, "reads nothing");
		if (!s->pace.watched)
			LIST_REMOVE(s, watched_link);
	}
}

/* Starts the closing handshake. Returning -1 from here would cut the socket off without a close
 * frame; despite its name this call does not, since a close frame is to be sent first. */
static void say_close(struct live_socket *s)
{
	if (s->close_said)
		return;
	s->close_said = true;
	lws_close_reason(s->wsi, (enum lws_close_status)s->close_code,
			 (unsigned char *)s->close_reason, strlen(s->close_reason));
	lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* -1: libwebsockets closes the socket. */
static int on_writable(struct live_socket *s)
{
	if (s->close_code != 0) {
		say_close(s);
		return 0;
	}
	if (flush(s) < 0)
		return -1;
	if (s->queue.count > 0)
		lws_callback_on_writable(s->wsi);
	return 0;
}

static void on_established(struct live_ws *ws, struct lws *wsi, struct live_socket **place)
{
	struct live_socket *s = ws->adopting;

	assert(s != NULL); /* there is no other way in */
	ws->adopting = NULL;
	*place = s;
	s->wsi = wsi;
	ws->count++;
	ws->ops->opened(s->arg, s);
}

static void on_receive(struct live_socket *s, const void *data, size_t len)
{
	if (s->close_code != 0)
		return;
	if (lws_frame_is_binary(s->wsi)) {
		live_socket_close(s, 1003, "texts only");
	} else if (s->message.len + len > LIVE_MESSAGE_MAX) {
		live_socket_close(s, 1009, "message too long");
	} else {
		buf_add(&s->message, data, len);
		if (lws_remaining_packet_payload(s->wsi) > 0 || !lws_is_final_fragment(s->wsi))
			return;
		s->ws->ops->message(s->arg, s->message.data, s->message.len);
		buf_done(&s->message);
	}
}

/* libwebsockets has checked the code, and answers by itself. */
static void on_peer_close(struct live_socket *s, const unsigned char *body, size_t len)
{
	s->peer_code = len >= 2 ? body[0] << 8 | body[1] : 1005;
}

static void on_closed(struct live_socket *s)
{
	struct live_ws *ws = s->ws;
	void *arg = s->arg;
	int code = s->close_code != 0 ? s->close_code : s->peer_code;

	ws->count--;
	remove_pending(s);
	if (s->pace.watched)
		LIST_REMOVE(s, watched_link);
	live_queue_done(&s->queue);
	buf_done(&s->message);
	free(s->close_reason);
	free(s);
	ws->ops->closed(arg, code);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct live_socket **place = user;
	struct live_ws *ws = lws_context_user(lws_get_context(wsi));

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		on_established(ws, wsi, place);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		on_receive(*place, in, len);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return on_writable(*place);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		on_peer_close(*place, in, len);
		return 0;
	case LWS_CALLBACK_CLOSED:
		if (place != NULL && *place != NULL)
			on_closed(*place);
		return 0;
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return strcmp(in, "websocket") == 0 ? 0 : -1;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{ .name = "pensum.v1", .callback = on_event,
	  .per_session_data_size = sizeof(struct live_socket *), 
	  .rx_buffer_size = RX_BUFFER },
	{ .name = NULL },
};

static void on_log(int level, const char *line)
{
	if (strstr(line, "calling service") != NULL) /* said at each adoption, as an error */
		return;
	log_write(level == LLL_ERR ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "libwebsockets",
		  "text=\"%.*s\"", (int)strcspn(line, "\n"), line);
}

void live_ws_before_wait(struct live_ws *ws)
{
	flush_pending(ws);
	live_loop_before_wait(ws->loop);
}

void live_ws_after_wait(struct live_ws *ws)
{
	live_loop_after_wait(ws->loop);
}

size_t live_ws_count(const struct live_ws *ws)
{
	return ws->count;
}

static int create_context(struct live_ws *ws)
{
	void *loops[] = { live_loop_handle(ws->loop) };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_VALIDATE_UTF8,
		.foreign_loops = loops,
		.pt_serv_buf_size = 4096,
		.retry_and_idle_policy = &liveness,
		.timeout_secs = CLOSE_S,
		.vhost_name = "live",
		.pcontext = &ws->context,
		.user = ws,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
	ws->context = lws_create_context(&info);
	if (ws->context == NULL)
		return -EIO;
	ws->vhost = lws_create_vhost(ws->context, &info);
	return ws->vhost != NULL && lws_protocol_init(ws->context) == 0 ? 0 : -EIO;
}

int live_ws_new(struct event_base *base, const struct live_ws_ops *ops, struct live_ws **ret,
		struct error *err)
{
	struct live_ws *ws = mem_zalloc(sizeof(*ws));

	ws->loop = live_loop_new(base);
	ws->ops = ops;
	TAILQ_INIT(&ws->pending);
	LIST_INIT(&ws->watched);
	if (create_context(ws) < 0) {
		live_ws_free(ws);
		return error_set(err, -EIO, "live: libwebsockets does not start (is "
					    "libwebsockets-evlib-uv installed?)");
	}
	*ret = ws;
	return 0;
}

/* Destroying is asynchronous: the handles close in the loop's next rounds, and on a foreign loop
 * the context itself goes in a second call. It sets ws->context to NULL when it is done
 * (pcontext). */
void live_ws_free(struct live_ws *ws)
{
	if (ws == NULL)
		return;
	for (int i = 0; i < 2 && ws->context != NULL; i++) {
		lws_context_destroy(ws->context);
		live_loop_drain(ws->loop);
	}
	live_loop_free(ws->loop);
	free(ws);
}

bool live_ws_adopt(struct live_ws *ws, int fd, const char *head, size_t head_len, void *arg)
{
	struct live_socket *s = mem_zalloc(sizeof(*s));
	struct lws *wsi;

	live_pace_prepare(fd);
	s->ws = ws;
	s->arg = arg;
	s->message = (struct buf)BUF_INIT;
	live_queue_init(&s->queue);
	ws->adopting = s;
	/* The handshake runs inside the call, ESTABLISHED included. */
	wsi = lws_adopt_socket_vhost_readbuf(ws->vhost, fd, head, head_len);
	if (ws->adopting == NULL)
		return true;
	ws->adopting = NULL;
	if (wsi != NULL)
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	free(s);
	return false;
}
