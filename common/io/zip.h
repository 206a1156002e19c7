/*
 * zip.h - a ZIP archive in memory, deterministic: equal input gives equal bytes (zlib).
 *
 * Entries in the order of adding, deflated, sizes in the local header, DOS time 1980-01-01, ASCII
 * names. Bounded to 64 MiB and 1000 entries by its callers' own caps; more is a mistake of ours.
 */
#pragma once

#include "buf.h"

struct zip;

struct zip *zip_new(void);
void zip_free(struct zip *z);
void zip_add(struct zip *z, const char *name, const void *data, size_t len);
/* Appends the finished archive to out. Nothing can be added afterwards. */
void zip_finish(struct zip *z, struct buf *out);
