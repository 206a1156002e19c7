/*
 * session_recent.h - sessions that were looked up a moment ago.
 *
 * A page asks for several things at once, and a script in a row: within SESSION_RECENT_MS the answer
 * of the last look-up is taken again. A sign-out at this gateway forgets it at once, one at another
 * gateway holds here after that time. Only active sessions are kept, in a table of fixed size: a new
 * one may displace another, which is then looked up again.
 */
#pragma once

#include "http.h"

#define SESSION_RECENT_MS 1000

struct session_recent;

struct session_recent *session_recent_new(void);
void session_recent_free(struct session_recent *t);

/* False: not there, or too old. Fills *ret otherwise. */
bool session_recent_find(const struct session_recent *t, const char *token_hash, int64_t now_ms,
			 struct session *ret);
void session_recent_add(struct session_recent *t, const struct session *s, int64_t now_ms);
void session_recent_remove(struct session_recent *t, const char *token_hash);
