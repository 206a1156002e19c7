/*
 * idle.h - a pool that nobody needs holds no browser, and one that little is asked of none too many.
 *
 * When for pool.idle_s no page was lent, waited for or kept, all browsers end, and nothing is kept
 * warm until somebody asks for a page again; that one waits for a browser's start. When for as long
 * one browser fewer would have had room for all pages, the next one that lends none ends.
 */
#pragma once

#include <stdbool.h>

struct idle;
struct pool;

struct idle *idle_new(struct pool *p);
void idle_free(struct idle *i);

/* A turn of decisions begins. */
void idle_begin_turn(struct idle *i);
/* pool.idle_s may have changed: the time begins anew. */
void idle_note_limits(struct idle *i);

/* The browsers are gone or going, and nobody has asked for a page since. */
bool idle_is_asleep(const struct idle *i);
/* A page is lent, waited for or kept. */
bool idle_is_needed(const struct pool *p);
