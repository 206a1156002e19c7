/*
 * denied.h - which methods the filter refused, counted under a bounded number of names.
 *
 * A client may invent names without end; those that are not known to be worth a look are "other".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DENIED_NAMES 40 /* room for; the last name in use is "other" */

struct denied {
	uint64_t counts[DENIED_NAMES];
};

void denied_note(struct denied *d, const char *method, size_t len);

/* NULL behind the last one. */
const char *denied_name(unsigned i);
