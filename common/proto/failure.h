/*
 * failure.h - why a job did not succeed: one table of codes that the workers write, PostgreSQL
 * keeps, the API answers and the page translates. A code never changes its meaning.
 */
#pragma once

enum failure_next {
	FAILURE_FINAL, /* trying again cannot help: the job fails */
	FAILURE_RETRY, /* passing: another attempt after a pause */
	FAILURE_WAIT,  /* the student must sign in again, or answer; then the job goes on */
};

struct failure {
	const char *code;
	enum failure_next next;
	const char *message; /* for the student, when the place of failure has no better one */
};

/* The row of a code; an unknown code gets the row "internal". Never NULL. */
const struct failure *failure_find(const char *code);
