/*
 * records.h - what the scripts answered, judged before it is believed.
 *
 * A script runs in a page beside a site's own code, so its answer is outside input: sizes, types
 * and text are checked here, and what does not fit is refused (-EBADMSG) rather than repaired. What
 * passes the database takes: one course's answer never costs those of the others their commit.
 */
#pragma once

#include <jansson.h>

#include "error.h"

#define RECORDS_MAX_COURSES	2000
#define RECORDS_MAX_ASSIGNMENTS 2000 /* of one course */
#define RECORDS_MAX_ACTIVITIES	2000 /* of one course */
#define RECORDS_MAX_DATE	253402300799LL /* the year 9999, epoch seconds */

/* [{id, name, shortname, url, category, start, end, progress, hidden, starred, state}], a new
 * reference, holding only these members. */
int records_courses(const json_t *answer, json_t **ret, struct error *err);

/* [{cmid, name, url, section, due, due_text, status, pending, handin, reason}], likewise. */
int records_assignments(const json_t *answer, json_t **ret, struct error *err);

/* [{cmid, kind, event, name, url, due, open}], likewise, or JSON null: nobody could tell. */
int records_activities(const json_t *answer, json_t **ret, struct error *err);
