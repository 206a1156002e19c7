/*
 * router.h - what comes out of a browser's pipe, to whom it goes.
 *
 *	an answer (id)			to whoever made the call: the pool itself or a client
 *	an event with a sessionId	to the lease that has the session
 *	a target's begin, end or crash	to its context
 *
 * The whole message is never parsed for a client; its id and its sessionId are exchanged. (Only of
 * the small Target.* events there is more to rewrite: session.h.)
 */
#pragma once

#include <stddef.h>

struct browser;

void router_take_message(struct browser *b, const char *text, size_t len);
/* A message over POOL_MAX_CDP_OUT was thrown away; these were its last bytes. */
void router_take_large(struct browser *b, const char *tail, size_t len);
