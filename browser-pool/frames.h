/*
 * frames.h - messages with an end mark over streams, for both sides of the pool.
 *
 * Messages end with NUL; a connection that is told so also takes a newline, for people. Input is
 * always read: a browser whose pipe is not drained grows without bound. A message over the limit is
 * not kept, only its last bytes are, so that the owner can still tell whose it was.
 *
 * Callbacks come from the loop, never from inside a call; after frames_free() none comes any more,
 * and frames_free() may be called from a callback. SIGPIPE must be ignored: daemon_prepare() does it.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cdpmsg.h"

#define FRAMES_TAIL_BYTES 512

struct frames;

struct frames_owner {
	/* One message, without its end mark, NUL behind it. text is valid during the call. */
	void (*message)(void *arg, const char *text, size_t len);
	/* A message has passed the limit; with wait_for_end it has ended, and these are its last
	 * bytes. */
	void (*too_large)(void *arg, const char *tail, size_t len);
	/* The peer closed its direction, or the connection broke. Comes once. */
	void (*ended)(void *arg);
	/* After frames_finish(): all is written, or cannot be. Comes once. */
	void (*finished)(void *arg);
	void *arg;
};

/* Where messages come from and go to: the same descriptor when it is a socket. */
struct frames_ends {
	int in, out;
};

struct frames_limits {
	size_t max_message; /* bytes of one message from the peer */
	bool wait_for_end;  /* skip a large message as a whole before too_large() */
	bool newline;	    /* a newline ends a message too, and then ends ours */
};

/* Takes the ends, which must be non-blocking. */
struct frames *frames_new(struct event_base *base, struct frames_ends ends,
			  struct frames_limits limits, const struct frames_owner *owner);
void frames_free(struct frames *f); /* closes at once, unwritten bytes are lost */

void frames_set_limits(struct frames *f, struct frames_limits limits);

void frames_send(struct frames *f, const char *text, size_t len);
void frames_send_pieces(struct frames *f, const struct cdp_pieces *pieces);

/* No more messages in either direction: writes what is waiting, tells the peer that we are done
 * (and goes on swallowing what it sends, so that it can read our last words), then finished(). */
void frames_finish(struct frames *f);

bool frames_speaks_newline(const struct frames *f); /* a message ended with one */
size_t frames_unsent_bytes(const struct frames *f);
uint64_t frames_read_bytes(const struct frames *f);    /* since the start */
uint64_t frames_written_bytes(const struct frames *f); /* handed to the kernel, since the start */
