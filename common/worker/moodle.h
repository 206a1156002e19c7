/*
 * moodle.h - a Moodle site in a leased page.
 *
 * The page only lends its origin: scripts (the prelude common/worker/scripts/moodle.js and one of a
 * worker's scripts/) fetch and parse there and answer plain JSON. Functions that return int answer 0,
 * or -1 after work_fail() with a code of failure.h.
 *
 * A signed-in page is kept by the pool for the student's next job (poolmsg.h: key "moodle:<user id>"),
 * which saves a process and a navigation. It never carries a session over: each job sets the cookies
 * anew, so a session that was found dead, or replaced, is gone from the page as well.
 */
#pragma once

#include "lease.h"
#include "work.h"

struct moodle {
	struct lease *lease;
	const char *wwwroot; /* the site's address, no slash at its end */
	bool asked;	     /* the page's document is the site's own; else nothing was asked for it */
	char *sealed;	     /* the saved session in use; NULL: signed out */
	long long requests, bytes; /* what has been spent so far */
};
#define MOODLE_INIT { 0 }

/* Leases a page and goes to the site's origin: signed out (the first script's first request is then the
 * first that the site hears of) … */
int moodle_open(struct work *w, enum pool_class cls, struct moodle *m);
/* … or in a page of its own with these cookies (borrowed) … */
int moodle_open_with(struct work *w, enum pool_class cls, json_t *cookies, struct moodle *m);
/* … or with the student's saved session; without one fails "session_dead". */
int moodle_open_signed_in(struct work *w, enum pool_class cls, struct moodle *m);
/* … or with this one (as it was kept; NULL: signed out) in the page that is kept for the student. */
int moodle_open_saved(struct work *w, const char *user_id, const char *sealed, struct moodle *m);
/* Back to the origin that moodle_open() went to, after the page was elsewhere. */
int moodle_return(struct work *w, struct moodle *m);
/* work_fail() for an errno and sentence of page.h, which are logged. */
int moodle_page_failed(struct work *w, const struct moodle *m, int e, const struct error *err);
void moodle_close(struct moodle *m); /* for CLEANUP() too */
/* The page is kept for nobody, whatever was said when it was opened. Then moodle_close(). */
void moodle_discard(struct moodle *m);

/* Calls run(args) of a script: declarations that follow the prelude's in one scope (contract in
 * scripts/moodle.js). args are taken; wwwroot is added. *ret is the answer, yours. An answer with
 * ok:false fails the work with its code and message, unless fail_softly: then it is returned. */
int moodle_run(struct work *w, struct moodle *m, const unsigned char *script, json_t *args,
	       bool fail_softly, json_t **ret);

/* Adds "requests" and "bytes" to the job's result (w->result, which there is), and logs them. */
void moodle_tell_cost(struct work *w, const struct moodle *m);

/* work_fail() for a script's code. "session_dead" also takes the session that m used out of both
 * stores, whatever their expiry says; a newer one that was saved meanwhile stays. */
int moodle_fail(struct work *w, struct moodle *m, const char *code, const char *message);

/* The page's cookies, as moodle_open_with() takes them. *ret is yours. */
int moodle_get_cookies(struct work *w, struct moodle *m, json_t **ret);
