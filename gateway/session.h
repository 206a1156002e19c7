/*
 * session.h - who asks: from the cookie to the session behind it.
 *
 *	cookie -> SHA-256 -> Redis pensum:session:<hash> -> PostgreSQL pensum.sessions
 *
 * Only active sessions are in Redis, until nobody has used them for SESSION_IDLE_S; PostgreSQL keeps
 * them, and they come back with their next use. What Redis says is good for SESSION_FRESH_S: then
 * PostgreSQL is asked again, so that a sign-out which Redis did not hear of holds after a minute at
 * the latest; only while PostgreSQL is away an older word is taken. A pending session is always read
 * from PostgreSQL: it becomes active in the transaction that ends its sign-in job. In front of both is
 * what was looked up a moment ago (session_recent.h).
 *
 * A session is of one Moodle site. While that is not configured here, it is as if it were not there.
 */
#pragma once

#include "http.h"

#define SESSION_COOKIE	"pensum_session"
#define SESSION_IDLE_S	1800
#define SESSION_FRESH_S 60

/*
 * The check of a route. Calls then() at once or later, with request_session() set when the route
 * wants one; or has answered: 401 signed_out, 403 signin_pending (a signed-in session is needed),
 * 503 database_away.
 */
void session_require(struct gateway *g, struct request *r, enum route_access access,
		     route_fn *then);

/* For whom that turned out to be so behind the check. */
void session_reply_signed_out(struct request *r);

/* Adds the Set-Cookie header, before the reply. token NULL: the browser forgets the cookie. */
void session_send_cookie(struct gateway *g, struct request *r, const char *token);

/* Redis forgets it; the caller has deleted the row. */
void session_forget(struct gateway *g, const char *token_hash);
/* 204 and no cookie any more, when Redis has forgotten what it was told to. */
void session_reply_ended(struct gateway *g, struct request *r);
