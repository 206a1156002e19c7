/*
 * moodle_session.h - the student's saved Moodle session.
 *
 * That is the cookies and, where the site offers its web service, a token of it, sealed under
 * "moodle <user id>", beside the verifier of the password; the same content with the same expiry in
 * PostgreSQL (pensum.moodle_sessions) and in Redis (pensum:moodle:<user>, JSON
 * {"sealed","verifier","expires_at"}). Sealed is the array of cookies, or with a token
 * {"cookies":[…], "service":{"token"}}.
 *
 * Signing out forgets the token, but Moodle does not: it gives each student one for all apps, for
 * twelve weeks, so to end it there would sign the student's telephone out as well.
 */
#pragma once

#include "work.h"

/* *ret is what w's student has saved, yours, or NULL when there is nothing that lives. Redis is
 * asked first. -1 after work_fail(): the database stayed away. */
int moodle_session_load(struct work *w, char **ret);
/* The cookies that were sealed for user_id, yours; NULL, logged, when they cannot be had. */
json_t *moodle_session_cookies(struct work *w, const char *user_id, const char *sealed);
/* Its {"token"} of the web service, w's student's own, yours; NULL: it has none. */
json_t *moodle_session_service(struct work *w, const char *sealed);
/* The same session without the token, which Moodle does not take any more, in both stores. */
void moodle_session_drop_service(struct work *w, const char *sealed);
/* Takes this very session of w's student out of both stores; a newer one stays. */
void moodle_session_forget(struct work *w, const char *sealed);

/* What signing in saves. Made before the commit, written in it, cached after it. */
struct moodle_session {
	struct buf sealed;
	char verifier[VAULT_VERIFIER_MAX];
	int64_t expires_at; /* wall clock, seconds */
};
void moodle_session_done(void *moodle_session); /* for CLEANUP() too */
/* cookies and service (NULL: none) are borrowed. */
void moodle_session_make(struct work *w, const json_t *cookies, const json_t *service,
			 const char *verifier, struct moodle_session *ms);
int moodle_session_store(struct work *w, const struct moodle_session *ms, struct error *err);
void moodle_session_cache(struct work *w, const struct moodle_session *ms);
