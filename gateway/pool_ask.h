/*
 * pool_ask.h - asks browser-pool for its status over its Unix socket (poolmsg.h), without waiting.
 *
 * Exactly once: pool_ask() that returns 0 calls fn once, from the loop: with the status (borrowed),
 * or NULL and the reason. After POOL_ASK_MS it gives up. One that returns an error never calls
 * back.
 */
#pragma once

#include <jansson.h>

#include "gateway.h"

#define POOL_ASK_MS 800

typedef void pool_ask_fn(json_t *status, const char *why, void *arg);

int pool_ask(struct gateway *g, pool_ask_fn *fn, void *arg, struct error *err);
void pool_ask_end_all(
	struct gateway *g); /* calls fn of what is in flight; then no more are taken */
