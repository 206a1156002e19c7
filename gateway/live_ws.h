/*
 * live_ws.h - WebSockets on sockets that HTTP has let go of. The one module that sees libwebsockets.
 *
 * libwebsockets never parses HTTP from the network: it gets a head that live.c wrote. It runs on
 * Debian's libuv plugin, on a loop nested in ours (live_loop.h): hence live_ws_before_wait() and
 * live_ws_after_wait().
 *
 * What libwebsockets leaves to us is here: the limit of a message, the bounded queue, the end of a
 * peer that does not read.
 *
 * What it leaves to nobody: a client's frame that is not masked is taken (4.1, Debian 12), where RFC 6455,
 * 5.1, wants the connection closed; neither a callback nor a getter tells it, and it reads the socket
 * itself. Masks keep a page's script from writing a proxy's protocol, and every browser masks: who does
 * not is a program that can only speak for itself.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "live_frame.h"

#define LIVE_MESSAGE_MAX 4096

struct live_ws;
struct live_socket;

struct live_ws_ops {
	void (*opened)(void *arg, struct live_socket *s); /* before all else */
	void (*message)(void *arg, const char *text, size_t len); /* UTF-8, whole */
	void (*conflated)(void *arg); /* a message gave way to a newer one of its job */
	/* Exactly once; the socket is gone. code: what was said to end it, 0 if nothing was. */
	void (*closed)(void *arg, int code);
};

int live_ws_new(struct event_base *base, const struct live_ws_ops *ops, struct live_ws **ret,
		struct error *err);
void live_ws_before_wait(struct live_ws *ws);
void live_ws_after_wait(struct live_ws *ws);
/* Every second: who has taken nothing for a while (live_pace.h) is ended with 4008. The code is said
 * only if he reads again at once; he is cut off soon, and closed() tells it in any case. */
void live_ws_look(struct live_ws *ws);
size_t live_ws_count(const struct live_ws *ws);
void live_ws_free(struct live_ws *ws); /* calls closed() for what is open */

/* Takes fd. head: the request as libwebsockets shall see it, and what the client sent behind it.
 * True: opened() has been called, and messages and even closed() may have been. False: none was. */
bool live_ws_adopt(struct live_ws *ws, int fd, const char *head, size_t head_len, void *arg);
/* Sent in order at the end of the loop's turn, what came in one turn in one frame: a message as it
 * is, several as a JSON array of them. A full queue ends the socket with 4008. */
void live_socket_send(struct live_socket *s, struct live_frame *frame, const char *job,
		      bool replaceable);
/* What waits is forgotten. closed() comes later. */
void live_socket_close(struct live_socket *s, int code, const char *reason);
