/*
 * courses.h - reading and keeping the course list, which signing in and `courses` share.
 */
#pragma once

#include "moodle.h"

struct course_list {
	json_t *courses; /* records_courses() */
	int64_t read_at, expires_at; /* wall clock, seconds */
};
void course_list_done(void *course_list);

/* Reads the list in a signed-in page. sesskey may be NULL. */
int course_list_read(struct work *w, struct moodle *m, const char *sesskey,
		     struct course_list *cl);
/* In the finishing transaction. */
int course_list_store(struct work *w, const struct course_list *cl, struct error *err);
/* After a commit that changed the list, or when a course of it was checked: what the gateway has cached
 * is not the answer any more. */
void course_list_changed(struct work *w);
