/*
 * lease_ask.h - asking browser-pool for a page, and waiting in its queue; for lease.c.
 */
#pragma once

#include "lease.h"
#include "wire.h"

/* 0: the connection is a lease from here on; *sticky as lease_is_sticky(). Errors as of lease_begin()
 * and wire.h. */
int lease_ask(struct wire *wire, const struct lease_request *req, bool *sticky, struct error *err);
