/*
 * router.h - what comes out of a browser's pipe, to whom it goes.
 *
 *	an answer (id)			to whoever made the call: the pool itself or a client
 *	an event with a sessionId	to the lease that has the page
 *	a target's end or crash		to its context
 *
 * The whole message is never parsed for a client; its id is exchanged and its sessionId cut out.
 */
#pragma once

#include <stddef.h>

struct browser;

void router_take_message(struct browser *b, const char *text, size_t len);
/* A message over POOL_MAX_CDP_OUT was thrown away; these were its last bytes. */
void router_take_large(struct browser *b, const char *tail, size_t len);
