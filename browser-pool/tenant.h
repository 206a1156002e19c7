/*
 * tenant.h - who shares a turn in the queue, and the caps per client.
 *
 * A tenant is what a request's member "client" names, or else the process that connected. Those who
 * may connect are trusted with their name: it divides the queue fairly, it is not a secret. A
 * tenant lives as long as a lease refers to it; its numbers and lines are waiting.c's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool_lease.h"
#include "poolmsg.h"

/* The waiting leases of one tenant and class, oldest first. */
struct tenant_line {
	TAILQ_ENTRY(tenant_line) link; /* in the class's ring, when has_turns */
	struct tenant *tenant;
	enum pool_class cls;
	struct pool_lease_list leases; /* by line_link */
	unsigned count;
	bool has_turns;	  /* somebody waits here, and the tenant may hold one more page */
	int64_t since_ms; /* of the wait for the next turn */
};

TAILQ_HEAD(tenant_ring, tenant_line);

struct tenant {
	LIST_ENTRY(tenant) link;
	char name[POOL_CLIENT_SIZE];
	unsigned users;		/* leases that refer to it, in any state */
	unsigned waiting, held; /* leases in that state */
	struct tenant_line lines[POOL_CLASS_COUNT];
};

struct tenants;

struct tenants *tenants_new(void);
void tenants_free(struct tenants *all); /* must be empty */

struct tenant *tenants_get(struct tenants *all, const char *name); /* pair with tenant_put() */
void tenant_put(struct tenant *t);
