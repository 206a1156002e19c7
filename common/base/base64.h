/*
 * base64.h - bytes in JSON (RFC 4648, with padding).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

void base64_encode(const void *data, size_t len, struct buf *out);

/* Strict: no white space, nothing after the padding. false leaves out as it was. */
bool base64_decode(const char *text, size_t len, struct buf *out);
