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

/* Whether the folder is there or could be made, and written to; changes nothing. */
int store_check(const struct settings *s, struct error *err);
int store_open(const struct settings *s, struct store **ret, struct error *err);
void store_free(struct store *st);

int store_put(struct store *st, const char *key, const void *data, size_t len, struct error *err);

/* An open descriptor for reading (caller closes) and the size; -ENOENT when absent. Links are not
 * followed. */
int store_open_object(struct store *st, const char *key, int *fd, uint64_t *size,
		      struct error *err);
int store_delete(struct store *st, const char *key, struct error *err); /* absent is fine */

/*
 * The objects by name, a portion at a time:
 *
 *	char after[STORE_KEY_SIZE] = "";
 *	while ((n = store_list(st, after, found, ARRAY_LEN(found), &err)) > 0)
 *		snprintf(after, sizeof(after), "%s", found[n - 1].key);
 *
 * Answers at most max objects whose keys come after the given one ("": from the first), in one
 * order; 0: there are no more. What is no object (other names, links) is passed over, but what a
 * writer that crashed left half written goes when it is STORE_STALE_S old.
 */
#define STORE_KEY_SIZE 201
#define STORE_STALE_S  3600
struct store_entry {
	char key[STORE_KEY_SIZE];
	int64_t age_s; /* since it was written, by this machine's clock */
};
int store_list(struct store *st, const char *after, struct store_entry *found, size_t max,
	       struct error *err);
