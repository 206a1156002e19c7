/*
 * cdpmsg.h - one CDP message seen from its top level: which id, which method, whose session.
 *
 * browser-pool sits between many clients and few browsers and must not pay for parsing and dumping
 * every message (a 20 MB answer takes seconds that way). cdpmsg_scan() walks over the bytes once:
 * it accepts exactly one strictly formed JSON object (no comments, no doubled top-level names that
 * matter, bounded depth, any bytes are safe) and notes where the interesting members stand. What it
 * accepts, Chromium reads in the same way; what could be read in two ways is refused. UTF-8 is
 * checked by text_is_utf8(), not here.
 *
 * A message changes hands as a list of pieces that point into its text, so nothing large is copied:
 *
 *	client -> browser   the pool's id for the client's, and Chromium's name of the session
 *	browser -> client   the client's id again, and the client's name of the session, or none
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define CDP_MAX_ID     INT64_C(9007199254740991) /* what a JavaScript client can count to */
#define CDP_MAX_PIECES 8

/* Bytes [at, at + len) of the text; len 0 = the member is not there. */
struct cdp_span {
	size_t at, len;
};

struct cdpmsg {
	const char *text; /* borrowed from the caller of cdpmsg_scan() */
	bool has_id;
	int64_t id;
	struct cdp_span id_value;
	struct cdp_span method;		/* between the quotes; holds no escapes */
	struct cdp_span session;	/* likewise */
	struct cdp_span session_member; /* name, value and one comma: what to cut out */
	struct cdp_span params;		/* the whole value */
	size_t end;			/* where the closing brace stands */
};

struct cdp_piece {
	const char *data;
	size_t len;
};

/* Points into the message, the session text and itself: not to be copied. */
struct cdp_pieces {
	struct cdp_piece at[CDP_MAX_PIECES];
	size_t count;
	size_t bytes; /* of all pieces */
	char number[24];
};

/* -EBADMSG with a sentence that quotes nothing from the message. */
int cdpmsg_scan(const char *text, size_t len, struct cdpmsg *ret, struct error *err);

bool cdpmsg_method_is(const struct cdpmsg *m, const char *method);
bool cdpmsg_session_is(const struct cdpmsg *m, const char *session);

/* id stands in for the message's own, if it has one; session for its sessionId, which is added when
 * there is none (m has an id or a method then) and cut out for NULL. session is borrowed as long as
 * the pieces are, and holds nothing that JSON would escape. */
void cdpmsg_readdress(const struct cdpmsg *m, int64_t id, const char *session,
		      struct cdp_pieces *ret);
