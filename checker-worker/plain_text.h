/*
 * plain_text.h - a name that Moodle tells as HTML, as the text that a page would show.
 *
 * The same as plainText() and clip() of common/worker/scripts/moodle.js, for the road that has no
 * browser: entities are decoded once, what no JSON, PostgreSQL or XML can hold and what makes text
 * look other than it is goes, white space is collapsed, and what is too long ends in an ellipsis.
 */
#pragma once

#include <stddef.h>

/* html is UTF-8. At most max_units UTF-16 units. The text is yours. */
char *plain_text(const char *html, size_t max_units);
