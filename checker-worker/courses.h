/*
 * courses.h - reading and keeping the course list, which signing in and `courses` share.
 */
#pragma once

#include <stdbool.h>

#include "moodle.h"

struct course_list {
	json_t *courses; /* records_courses() */
	int64_t read_at, expires_at; /* wall clock, seconds */
};
void course_list_done(void *course_list);

/* Of a script's or the web service's answer {"courses"}; false, which is logged: it is none. */
bool course_list_take(struct work *w, const json_t *answer, struct course_list *cl);
/* In the finishing transaction. */
int course_list_store(struct work *w, const struct course_list *cl, struct error *err);
/* After a commit that changed the list, or when a course of it was checked: what the gateway has cached
 * is not the answer any more. */
void course_list_changed(struct work *w);
