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
/* In the finishing transaction / after it (pensum:courses:<user>, same expiry). */
int course_list_store(struct work *w, const struct course_list *cl, struct error *err);
void course_list_cache(struct work *w, const struct course_list *cl);
