/*
 * template.h - a draft made without AI: the task as Moodle has it, and the places to fill.
 *
 * Title, a small table of facts, a notice, the task with its links and files, then sections by the
 * kind of work, and a checklist. Every place that is the student's own is a visible "[…]"
 * (RUN_TODO); nothing answers the task. The same input gives the same document, so that it can be
 * reused.
 */
#pragma once

#include "assignment.h"
#include "document.h"

/* Counts up when the template's words or order change: part of the content hash. */
#define TEMPLATE_VERSION 1

enum template_kind {
	TEMPLATE_GENERIC,
	TEMPLATE_LAB,
	TEMPLATE_QUESTIONS,
	TEMPLATE_ESSAY,
	TEMPLATE_KIND_COUNT
};

struct template_student {
	const char *name; /* NULL or "": a place to fill */
	const char *roll;
};

/* ret must be empty (zeroed or after document_done()); the caller ends it with document_done(). */
void template_fill(const struct assignment *a, const struct template_student *student,
		   struct document *ret);

/* By the words of the title first, then of the description. */
enum template_kind template_guess_kind(const struct assignment *a);

/* "Wed 25 November 2026, 23:59 UTC", in English on every machine. */
#define TEMPLATE_TIME_SIZE 48
void template_format_time(int64_t epoch, char out[TEMPLATE_TIME_SIZE]);
