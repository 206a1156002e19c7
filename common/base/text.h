/*
 * text.h - judging and converting text that came from outside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Bytes of the valid UTF-8 sequence at text (len > 0), or 0. Overlong forms and surrogates are none. */
size_t text_utf8_sequence(const char *text, size_t len);
bool text_is_utf8(const char *text, size_t len);
bool text_has_control(const char *text, size_t len); /* C0 or DEL, any */
bool text_starts_with(const char *text, const char *prefix);
bool text_ends_with(const char *text, const char *suffix);

/* Cuts text at max_bytes without cutting a UTF-8 sequence; returns the new length. */
size_t text_cut_utf8(const char *text, size_t len, size_t max_bytes);

/* Whole decimal number within bounds, nothing else around it. */
int text_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err);

/* out holds 2 * len + 1 bytes. */
void text_hex(const void *data, size_t len, char *out);
/* Exactly 2 * len hex digits; -EINVAL otherwise. */
int text_unhex(const char *hex, void *out, size_t len);

/* Compares in time that depends on len only. */
bool text_equal_secret(const void *a, const void *b, size_t len);
