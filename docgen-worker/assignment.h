/*
 * assignment.h - what scripts/assignment.js found out about one assignment, checked.
 *
 * Held by value: assignment_parse() fills, assignment_done() empties.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "blocks.h"
#include "error.h"

#define ASSIGNMENT_MAX_FILES 50

struct assignment_file {
	char *name;
	char *url; /* clean */
};

struct assignment {
	char *title;
	char *course;
	char *url;	/* clean, or "" */
	char *due_text; /* in the site's words, or "" */
	char *lang;	/* of the page, or "" */
	int64_t due;	/* epoch seconds, 0: not known */
	struct blocks description;
	bool truncated; /* the description is longer than description */
	struct assignment_file *files;
	size_t file_count;
};

/* ret is filled from the script's answer {ok: true, …}. -EBADMSG when it is not of that form; ret
 * is then not to be emptied. */
int assignment_parse(const json_t *answer, struct assignment *ret, struct error *err);
void assignment_done(struct assignment *a);
