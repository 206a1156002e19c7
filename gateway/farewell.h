/*
 * farewell.h - the end of a student's Moodle session, in the background, and of all that is theirs.
 *
 * farewell_seal() makes what deploy/sql/020_leaving.sql needs for a job that signs out at Moodle: it
 * belongs to a random user, and only the sealed secret says whose session and whose kept page it ends.
 *
 * farewell_forget() is for after account_delete() has committed: what Redis and the object store have
 * of the student goes at once, and again FAREWELL_AGAIN_MS later: by then every attempt that was
 * running has seen that it is lost, and has published and written what it still had in hand.
 */
#pragma once

#include <jansson.h>

#include "buf.h"
#include "gateway.h"

#define FAREWELL_AGAIN_MS 6000

struct farewell {
	char job_id[ID_LEN + 1];
	char as[VAULT_USER_ID];
	struct buf secret; /* sealed */
};
#define FAREWELL_INIT { .secret = BUF_INIT }

/* sealed: the Moodle session as it is kept; NULL: there is none, only a page to be dropped. */
void farewell_seal(struct gateway *g, const char *user_id, const char *sealed,
		   struct farewell *out);
void farewell_done(struct farewell *f); /* for CLEANUP() too */

/* Arrays of texts as account_delete() answers them; borrowed. */
void farewell_forget(struct gateway *g, const char *user_id, json_t *jobs, json_t *objects);
void farewell_stop(struct gateway *g);
