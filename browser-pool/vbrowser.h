/*
 * vbrowser.h - the browser that a lease in browser mode believes to have for itself.
 *
 * A client library (puppeteer.connect, chromium.connectOverCDP) speaks to a whole browser: it lists
 * contexts and targets, makes pages, attaches to them. Behind a lease there is one context of a
 * browser that many share, so its browser-level messages (those without a sessionId, or on a
 * session from Target.attachToBrowserTarget) are answered here: from what the lease has, or by a
 * call on Chromium with everything foreign taken out of its parameters and its answer. What names a
 * target or context that is not the lease's own is refused as unknown, whether it exists or not; a
 * method that is not in the table is not allowed.
 *
 *	context		one: Target.createBrowserContext gives it once, and until then it stands in
 *			for the default context
 *	pages		none at first: the first Target.createTarget gives the page that was lent;
 *			CONTEXT_MAX_PAGES at a time
 *	auto-attach	to pages, tabs and shared and service workers of the context, as they come;
 *			of these popups alone are stopped at their start (popups.h), and all say
 *			which (waitingForDebugger)
 *	downloads, windows, permissions: none
 *
 * It lives from the lend to the end of the lease's memory.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cdpmsg.h"

struct pool_lease;
struct session;
struct vbrowser;

struct vbrowser *vbrowser_new(struct pool_lease *l); /* l is lent */
void vbrowser_free(struct vbrowser *v);

/* A message of the client on a session that is all of the browser. */
void vbrowser_take_message(struct vbrowser *v, struct session *s, const struct cdpmsg *m);

/* It wants new pages to wait until it has attached to them. */
bool vbrowser_wants_to_wait(const struct vbrowser *v);

/* Chromium's word on a target of the context; info is its targetInfo. */
void vbrowser_note_created(struct vbrowser *v, json_t *info);
void vbrowser_note_changed(struct vbrowser *v, json_t *info);
void vbrowser_note_destroyed(struct vbrowser *v, const char *target);
