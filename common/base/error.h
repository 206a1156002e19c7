/*
 * error.h - a negative errno plus a sentence.
 *
 *	if (fd < 0)
 *		return error_set(err, -errno, "pool: cannot connect to %s", path);
 *
 * The sentence says what, where and, if it helps, what to do; it never holds a secret. Functions
 * that take a `struct error *` accept NULL. A code of 0 is never an error.
 */
#pragma once

struct error {
	int code; /* negative errno */
	char text[384];
};

/* Sets err (if any) and returns code, which must be negative. */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "context: " before what stands in err; returns err's code. */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
