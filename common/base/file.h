/*
 * file.h - whole small files, read with a bound and written so that a crash leaves old or new.
 */
#pragma once

#include <stddef.h>

#include "buf.h"
#include "error.h"

/* Appends the file's bytes to b. -EFBIG when it holds more than max_bytes. */
int file_read(const char *path, size_t max_bytes, struct buf *b, struct error *err);

/* Writes beside, fsyncs, renames. mode e.g. 0600. */
int file_write_atomic(const char *path, const void *data, size_t len, unsigned mode,
		      struct error *err);

/* mkdir -p with that mode for what it makes. */
int file_mkdirs(const char *path, unsigned mode, struct error *err);

/* Whether file_mkdirs() would work, and files could be made in it, as whoever asks; changes nothing. */
int file_check_dir(const char *path, struct error *err);

/* rm -rf, staying on path's own file system entries (links are removed, not followed). */
int file_remove_tree(const char *path, struct error *err);

/*
 * A secret's text, without its last newline: from $CREDENTIALS_DIRECTORY/name when systemd gave one
 * (LoadCredential=name:…), else from path. -ENOENT when neither is there.
 */
int file_read_secret(const char *name, const char *path, struct buf *b, struct error *err);
