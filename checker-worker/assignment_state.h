/*
 * assignment_state.h - what Moodle's web service says of one assignment, as the record that
 * scripts/check_course.js makes of its pages (the words and their meaning are in that file's
 * header).
 *
 * Pure: no I/O and no clock. What both roads see they tell alike. The service knows the epoch of
 * every due date and has no texts of dates, so due_text is "" and "opens later" tells the time in
 * UTC.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

/*
 * assignment: of mod_assign_get_assignments. status: of mod_assign_get_submission_status, or NULL
 * when it could not be asked, and then why (a clause, or NULL: Moodle shows no state). section may
 * be "". The record is yours; NULL when the assignment itself is not understood.
 */
json_t *assignment_state(const json_t *assignment, const json_t *status, const char *why,
			 const char *section, const char *root, int64_t now);
