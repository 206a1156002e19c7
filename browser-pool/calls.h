/*
 * calls.h - the open calls on one browser's pipe: who waits for the answer with this id.
 *
 * The pool numbers all calls on a pipe itself. A call is the pool's own (fn is set), a client's
 * (owner is its context, session on what, client_id what the client called it), or the pool's own
 * for a client (fn and owner). Exactly once: every call that was added is taken once: by its
 * answer, when its session or its lease is over, or by calls_take_any() when the pipe has ended.
 */
#pragma once

#include <stdint.h>
#include <stdbool.h>

#include <jansson.h>

struct context;
struct session;

/* result is borrowed and NULL when the call failed; error then says why, and is "" otherwise. */
typedef void call_fn(void *arg, json_t *result, const char *error);

struct call {
	call_fn *fn;
	void *arg;
	struct context *owner;
	const struct session *session;
	int64_t client_id;
};

struct calls;

struct calls *calls_new(void);
void calls_free(struct calls *calls); /* what is left is forgotten */

int64_t calls_add(struct calls *calls, const struct call *call); /* the id for the pipe */
bool calls_take(struct calls *calls, int64_t id, struct call *ret);
bool calls_take_any(struct calls *calls, struct call *ret);

bool calls_take_owner(struct calls *calls, const struct context *owner, struct call *ret);
bool calls_take_session(struct calls *calls, const struct session *session, struct call *ret);
/* A page is given up: our own calls with it as arg are nobody's any more. */
void calls_forget_arg(struct calls *calls, const void *arg);
