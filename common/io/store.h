/*
 * store.h - the object store of documents. Today one driver: a folder on local disk.
 *
 * Keys are relative paths of [a-z0-9._/-], no "..", such as "3f…/9c….docx". Objects are written
 * beside and renamed, fsynced, mode 0640, folders 0750, so that docgen-worker writes and the gateway
 * (same group) reads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "settings.h"

struct store;

int store_open(const struct settings *s, struct store **ret, struct error *err);
void store_free(struct store *st);

int store_put(struct store *st, const char *key, const void *data, size_t len, struct error *err);

/* An open descriptor for reading (caller closes) and the size; -ENOENT when absent. Links are not
 * followed. */
int store_open_object(struct store *st, const char *key, int *fd, uint64_t *size,
		      struct error *err);
int store_delete(struct store *st, const char *key, struct error *err); /* absent is fine */
