/*
 * health.h - is a browser that runs still a browser? From READY to DYING.
 *
 * Hung: a ping got no answer, and not one byte of anything arrived for six seconds (a
 * browser that is busy sending a large answer is alive).
 *
 * Half dead: its network process ended, where it has one (pool.network). Chromium starts another one
 * silently, but all cookies are gone then, and a worker would take a student for signed out. The
 * kernel tells of that end.
 *
 * Either way the browser is killed with browser_gone. (Whether pages can still be started is found
 * by making them: canary.h.)
 */
#pragma once

#include <stdint.h>

struct browser;
struct health;

/* How long not a byte has arrived although a ping is open, half a second more or less. */
int64_t health_silent_ms(const struct health *h);

/* Opens one unless one is open; later ones come when they would. */
void health_ping_now(struct health *h);
/* When the ping that is open was sent; 0: none is. */
int64_t health_ping_ms(const struct health *h);

struct health *health_start(struct browser *b);
void health_stop(struct health *h); /* after its browser's calls were failed; NULL is fine */
