/*
 * clean.h - text from outside, made fit for XML, JSON and paper.
 *
 * Left out: what is not UTF-8, what XML 1.0 cannot hold (one such character makes a whole document
 * unreadable), other control characters, and the signs that reverse the order of the text around
 * them. CR LF and CR become LF. Every string of a block model went through here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Appends the clean text, line breaks and tabs kept. */
void clean_text(struct buf *out, const char *text, size_t len);

/* Appends it as one line: white space collapsed, none at the ends. */
void clean_line(struct buf *out, const char *text, size_t len);
/* The same of a NUL-ended text (NULL: ""), cut at max_bytes; free(). */
char *clean_new_line(const char *text, size_t max_bytes);

/* Is the first letter one of a script written from right to left? */
bool clean_is_rtl(const char *text);

/* The UTF-8 sequence at text: its length in bytes and, in *ret, its code point; 0 if it is none. */
size_t clean_decode(const char *text, size_t len, unsigned *ret);
