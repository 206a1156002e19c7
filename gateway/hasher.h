/*
 * hasher.h - checks passwords in a helper thread: 25 ms of CPU each, which the loop does not have.
 *
 * The one thread beside the loop. It shares nothing with it but a bounded queue;
 * vault_check_verifier is thread-safe.
 *
 * Exactly once: hasher_check() that returns 0 calls its callback once, from the loop, with the
 * answer; at hasher_close() what still waits is answered with false. One that returns an error
 * never calls.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "error.h"
#include "vault.h"

#define HASHER_QUEUE_MAX 64

struct hasher;
typedef void hasher_fn(bool ok, void *arg);

/* vault is borrowed. */
int hasher_new(struct event_base *base, const struct vault *vault, struct hasher **ret,
	       struct error *err);
/* Copies the strings; the password's copy is overwritten after use. -EAGAIN: the queue is full;
 * -ESHUTDOWN: closed. */
int hasher_check(struct hasher *h, const char *user_id, const char *password, const char *verifier,
		 hasher_fn *fn, void *arg, struct error *err);
void hasher_close(struct hasher *h); /* waits for the check that runs, at most 25 ms or so */
void hasher_free(struct hasher *h);  /* not from a callback of its own */
