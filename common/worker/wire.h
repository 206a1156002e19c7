/*
 * wire.h - NUL-ended messages over a socket, blocking, with a deadline and a tick.
 *
 * While a call waits, the tick hook is called at least every 500 ms; non-zero from it ends the wait
 * with -ECANCELED. -ETIMEDOUT when the deadline is over; both leave the connection usable, except
 * when half a message was sent: then every later call is -EPIPE. -EPIPE too when the peer is gone;
 * a peer that is gone while we send is found by the next read, which may still find its last words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "clock.h"
#include "error.h"

typedef int wire_tick_fn(void *arg);

struct wire {
	int fd;
	wire_tick_fn *tick; /* may be NULL */
	void *tick_arg;
	int64_t next_tick_ms;
	size_t max_message;
	bool broken;

	struct buf in;
	size_t taken;	 /* bytes of in that the last message had, end mark included */
	size_t searched; /* bytes of in without an end mark */
};

/* Takes fd. Messages of the peer over max_message bytes break the connection: -EMSGSIZE. */
void wire_open(struct wire *w, int fd, size_t max_message, wire_tick_fn *tick, void *tick_arg);
void wire_close(struct wire *w); /* wipes what was read */

/* len bytes and an end mark; text[len] is '\0'. */
int wire_send(struct wire *w, const char *text, size_t len, struct deadline deadline,
	      struct error *err);
/* The next message, without its end mark but with NUL behind it; valid until the next call. */
int wire_read(struct wire *w, struct deadline deadline, const char **text, size_t *len,
	      struct error *err);
