/*
 * href.h - which addresses may stand in a document.
 *
 * http and https with a plain host name, and mailto with one address; everything else (javascript,
 * file, user:password@host, hosts that are not ASCII) is refused. What an address may not hold is
 * percent-encoded: Word and the validators refuse a whole document for one malformed address.
 */
#pragma once

#include <stdbool.h>

#include "buf.h"

#define HREF_MAX 2000

/* Appends the address as it may be written; false, and nothing appended, when it is refused. */
bool href_clean(const char *text, struct buf *out);
