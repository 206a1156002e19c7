/*
 * ooxml.h - XML text: escaping, and parts with places to fill.
 */
#pragma once

#include <stddef.h>

#include "buf.h"

/* Appends clean text (clean.h) escaped for an element and for a "quoted" attribute alike. */
void ooxml_add(struct buf *out, const char *text);

struct ooxml_field {
	const char *name; /* "TITLE" stands for @TITLE@ */
	const char *text; /* escaped here */
	const char *xml;  /* or: written as it is */
};

/* Appends the part with its @NAMES@ filled. A name without a field is a mistake of ours. */
void ooxml_expand(struct buf *out, const char *part, const struct ooxml_field *fields,
		  size_t count);
