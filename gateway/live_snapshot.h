/*
 * live_snapshot.h - where jobs stand now: of each the newer of its PostgreSQL row and its Redis
 * hash.
 *
 * PostgreSQL says whether a job exists and whose it is; without it nothing is known. Redis only
 * adds progress, and may be away.
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

#define SNAPSHOT_MAX 100

struct job_snapshot {
	struct job_event ev; /* ev.job is set always */
	bool found;
	enum job_kind kind;
	char user_id[VAULT_USER_ID];
	char session_hash[VAULT_HASH_HEX]; /* "": the user's, not one browser's */
};

/* ok: the rows are known. snapshots are borrowed, in the order of the ids. */
typedef void snapshot_fn(bool ok, const struct job_snapshot *snapshots, size_t count, void *arg);

/* Exactly once, from the loop, unless -errno is returned. 1 … SNAPSHOT_MAX ids. */
int snapshot_read(struct gateway *g, const char *const *ids, size_t count, snapshot_fn *fn,
		  void *arg, struct error *err);
