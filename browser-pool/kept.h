/*
 * kept.h - pages that wait for the next lease with their key.
 *
 * At most one is kept for a key, and it never goes to another key nor to a lease without one. Kept
 * pages count against pool.max_pages, so some room stays free for those who have none kept; and who
 * waits without a page in sight gets the room of the one that has been idle for longest.
 */
#pragma once

#include <stdbool.h>

#include "poolmsg.h"

struct context;
struct pool;

/* A lease ended cleanly: whether its page is to be kept. Makes room for it if so. */
bool kept_wants(struct pool *p, const struct context *c, const struct pool_request *request);
/* In a moment there is one with this key, or it has turned out not to be alive. */
bool kept_is_coming(struct pool *p, const char *key);
/* Lends them to those who wait with their keys, in or out of turn: it takes nobody's. */
void kept_lend(struct pool *p);
/* Disposes as many as those who wait need. */
void kept_make_room(struct pool *p);
/* Disposes the longest idle one; false when there is none. */
bool kept_drop_oldest(struct pool *p);
