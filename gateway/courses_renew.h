/*
 * courses_renew.h - a course list that is getting old is read anew behind its own answer.
 *
 * Who asks for the list gets the old one at once; a job of the lowest class reads the next one, and the
 * page hears of its end on the live channel. PostgreSQL sees to it that there is one such job at a time,
 * however many ask, and none without a living Moodle session (deploy/sql/016_submit.sql).
 */
#pragma once

#include "gateway.h"

/* How old a list may be before this is worth asking; the largest number when it never is. */
int64_t courses_fresh_s(const struct settings *s);

/* Without waiting: if it cannot be done now, a later answer will want it too. */
void courses_renew(struct gateway *g, const char *user_id, const char *site);
