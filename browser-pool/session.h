/*
 * session.h - the CDP sessions of a lent context, as Chromium and as the client name them.
 *
 *	the root	what the client reaches without a sessionId: the leased page, or in browser
 *			mode the context's browser session, which vbrowser.h stands in front of
 *	s1, s2, …	its children and theirs: iframes, workers, pages, tabs; in browser mode
 *			also further ways into the browser, like the root
 *			(Target.attachToBrowserTarget)
 *
 * Chromium's names never leave: a client could not use them (a name is looked up in its own
 * context only), and does not learn how many there are beside its own. Children come when the
 * client asked for them (Target.setAutoAttach, Target.attachToTarget) and go with
 * Target.detachedFromTarget; then every open call on them is answered with an error.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "cdpmsg.h"

struct browser;
struct context;

#define CDP_NAME_SIZE	 64 /* a session's, target's or context's name; Chromium's have 32 digits */
#define CDP_SESSION_NAME 16 /* a session's name for the client */

struct session {
	TAILQ_ENTRY(session) link; /* in context->sessions; the root is not there */
	struct context *context;
	struct session *parent; /* NULL for the root */
	char real[CDP_NAME_SIZE];
	char name[CDP_SESSION_NAME]; /* "s1"; "" for the root */
	char target[CDP_NAME_SIZE];  /* what it is attached to; "" for the root */
	bool is_browser;	     /* what is sent on it is for vbrowser.h */
};

TAILQ_HEAD(session_list, session);

/* The context is lent; its root is a page, or all of the browser. */
void sessions_begin(struct context *c, const char *root, bool is_browser);
void sessions_end(struct context *c); /* after its calls were forgotten; twice is fine */

/* The session that a client's message is for. NULL: it has none of that name. */
struct session *sessions_find(struct context *c, const struct cdpmsg *m);
/* The one of a lent context that a browser's message comes from. NULL: nobody's. */
struct session *sessions_find_real(struct browser *b, const struct cdpmsg *m);
struct session *sessions_find_child(struct context *c, const char *real);

/* As the client knows it: NULL for the root. */
const char *session_client_name(const struct session *s);

/* Target.* events on a session: children that come and go. False: another event, to be passed on.
 */
bool session_take_event(struct session *s, const struct cdpmsg *m);
/* Target.detachFromTarget from the client: false when that (or NULL) is no child of s. */
bool session_detach_child(struct session *s, const char *name, int64_t client_id);
