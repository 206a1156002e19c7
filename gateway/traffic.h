/*
 * traffic.h - what this gateway has counted since it started: requests and the live channel.
 *
 * The record's numbers (jobs) are PostgreSQL's and not here. Closing codes and routes are few and
 * known, so the memory is fixed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct traffic;
struct route;

struct traffic *traffic_new(void);
void traffic_free(struct traffic *t);

/* route NULL: a file of the page, or nothing that there is. */
void traffic_answered(struct traffic *t, const struct route *route, int status, int64_t took_us);
void traffic_channel_closed(struct traffic *t, int code); /* 0: the peer broke off */
uint64_t traffic_closed_total(const struct traffic *t);
void traffic_conflated(struct traffic *t); /* a waiting event gave way to a newer one */
void traffic_event(struct traffic *t);	   /* one was read from the event stream */
void traffic_limited(struct traffic *t, const char *code); /* refused with 429 or 503 */

void traffic_write(const struct traffic *t, struct buf *out, size_t channels);
