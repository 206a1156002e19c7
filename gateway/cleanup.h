/*
 * cleanup.h - deletes what has expired, everywhere, and says how much: by the clock
 * (housekeeping.h) and on demand (POST /admin/cleanup).
 *
 *	PostgreSQL	pensum.purge(), kind after kind, CLEANUP_PORTION rows a transaction
 *	object store	the files of the documents that went; then files that no document refers to
 *			and that are older than an hour
 *	Redis		sessions and caches that nobody has used for so long: PostgreSQL keeps them,
 *			and they come back with their next use; names of slots that are gone (consumers.h)
 *
 * One at a time, here and among gateways (lock.h).
 */
#pragma once

#include <jansson.h>

#include "gateway.h"

#define CLEANUP_PORTION 500
#define CLEANUP_IDLE_S	1800

/* {"sessions":n,…,"complete":bool} (yours to json_decref()), exactly once; NULL: another gateway is
 * at it. complete is false when something could not be asked. */
typedef void cleanup_fn(json_t *gone, void *arg);

/* -EBUSY: one runs here; fn is not called. */
int cleanup_run(struct gateway *g, int64_t idle_s, cleanup_fn *fn, void *arg);
/* While Redis can still hear it: the others need not wait until our lock has run out. What runs goes
 * on as long as it may. */
void cleanup_stop(struct gateway *g);
