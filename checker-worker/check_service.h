/*
 * check_service.h - checks courses by Moodle's web service (service.h).
 *
 * Ten courses at a time: one request for what their assignments and calendars hold, then the states
 * of the assignments, many in one request. The answer has the form of scripts/check_course.js.
 *
 * A course that the service does not tell all of (not enrolled, hidden, something to agree to
 * first, an answer that is not understood) is left out: the browser's road sees why.
 */
#pragma once

#include "service.h"

/* courses: [{"id","name"}]. Adds to answers (an object): course id → {"ok":true, "at" (wall clock, s),
 * "assignments", "activities" (null: the site does not tell)}. SERVICE_NONE: what is there so far holds,
 * the rest is the browser's. *done of total courses are behind the whole check; it grows by the groups
 * that are. */
enum service_end check_by_service(struct work *w, struct service *s, const json_t *courses,
				  json_t *answers, int *done, int total);
