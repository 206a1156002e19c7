/*
 * popups.h - a popup waits until the client of its lease has attached to it.
 *
 * A client in browser mode that wants to be attached to new pages before they run (playwright:
 * Target.setAutoAttach with waitForDebuggerOnStart) would miss what a popup does at its start,
 * since the pool attaches it only when Chromium has told of the popup. Chromium holds new pages for
 * who asks on the level of the browser, but then those of everybody: so the pool asks, as long as
 * there is such a lease, and lets all others go on at once.
 *
 *	attached, waiting --somebody else's, or nobody wants it--> goes on
 *	   \--the lease's popup--> held --Runtime.runIfWaitingForDebugger of the client--> goes on
 *
 * A popup that is held has a session of the pool's own, which the client never sees.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct browser;
struct context;
struct target;

/* What the lease of c wants may have changed, or it is over. */
void popups_update(struct context *c);
/* Target.attachedToTarget on the root session. */
void popups_take_attached(struct browser *b, json_t *params);
/* The client goes on with this target of c. */
void popups_release(struct context *c, const char *target);
