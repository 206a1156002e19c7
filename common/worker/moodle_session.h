/*
 * moodle_session.h - the student's saved Moodle session.
 *
 * That is the cookies, sealed under "moodle <user id>", beside the verifier of the password; the
 * same content with the same expiry in PostgreSQL (pensum.moodle_sessions) and in Redis
 * (pensum:moodle:<user>, JSON {"sealed","verifier","expires_at"}).
 */
#pragma once

#include "work.h"

/* *ret is what w's student has saved, yours, or NULL when there is nothing that lives. Redis is
 * asked first. -1 after work_fail(): the database stayed away. */
int moodle_session_load(struct work *w, char **ret);
/* The cookies that were sealed for user_id, yours; NULL, logged, when they cannot be had. */
json_t *moodle_session_cookies(struct work *w, const char *user_id, const char *sealed);
/* Takes this very session of w's student out of both stores; a newer one stays. */
void moodle_session_forget(struct work *w, const char *sealed);

/* What signing in saves. Made before the commit, written in it, cached after it. */
struct moodle_session {
	struct buf sealed;
	char verifier[VAULT_VERIFIER_MAX];
	int64_t expires_at; /* wall clock, seconds */
};
void moodle_session_done(void *moodle_session); /* for CLEANUP() too */
void moodle_session_make(struct work *w, const json_t *cookies, const char *verifier,
			 struct moodle_session *ms);
int moodle_session_store(struct work *w, const struct moodle_session *ms, struct error *err);
void moodle_session_cache(struct work *w, const struct moodle_session *ms);
