/*
 * rate.h - who may ask how often: so many a minute, for each student and for each address.
 *
 *	const struct rate_ask asks[] = { { RATE_SIGNIN_ADDRESS, address },
 *						{ RATE_SIGNIN_USER, id } };
 *	rate_take(g, asks, 2, answered, me);		answered(0, me): go on; else: wait so long
 *
 * A limit of n a minute lets n through at once and then one each 60/n s (GCRA: one number for each
 * who, pensum:limit:<kind>:<who>, the moment at which everything is free again). What must hold
 * over all gateways (signing in, whatever changes something) is counted in Redis, by Redis's clock,
 * all asks of a request or none. A clock that is put back locks nobody out for longer than his limit
 * takes to come back. While Redis is away each gateway counts for itself, with its share of the
 * limit (limits.gateways). Reading is always counted so: it must not cost a question. Signing out is, too,
 * and apart from the rest: whoever has used up his limits, or shares an address with one who has, can leave.
 *
 * Addresses: IPv6 by /64, which is what one customer has; behind a proxy on this machine the
 * address that the proxy saw (gateway.forwarded).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway.h"
#include "http.h"

enum rate_kind {
	RATE_SIGNIN_USER,
	RATE_SIGNIN_ADDRESS,
	RATE_WRITE_USER,
	RATE_WRITE_ADDRESS,
	RATE_READ_USER,
	RATE_READ_ADDRESS,
	RATE_SIGNOUT_ADDRESS, /* as many as may read, counted apart */
	RATE_KIND_COUNT
};

struct rate_ask {
	enum rate_kind kind;
	const char *who;
};
#define RATE_ASKS_MAX 2

/* wait_ms 0: it may happen and is counted; else nothing is. */
typedef void rate_fn(int64_t wait_ms, void *arg);

/* Calls fn exactly once, at once or later. asks are copied. */
void rate_take(struct gateway *g, const struct rate_ask *asks, size_t count, rate_fn *fn,
	       void *arg);
/* Only in this process. */
int64_t rate_take_here(struct gateway *g, const struct rate_ask *ask);

#define RATE_ADDRESS_SIZE 64
/* The text of an address as it is counted; false: it is none. */
bool rate_format_address(const char *text, char out[RATE_ADDRESS_SIZE]);
const char *rate_address(const struct request *r, char out[RATE_ADDRESS_SIZE]);
