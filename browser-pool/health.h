/*
 * health.h - is a browser that runs still a browser? From READY to DYING.
 *
 * Hung: three pings in a row got no answer, and not one byte of anything arrived in the meantime (a
 * browser that is busy sending a large answer is alive).
 *
 * Half dead: its network process ended. Chromium starts another one silently, but all cookies are
 * gone then, and a worker would take a student for signed out. The kernel tells of that end.
 *
 * Either way the browser is killed with browser_gone. (Whether pages can still be started is found
 * by making them: canary.h.)
 */
#pragma once

struct browser;
struct health;

struct health *health_start(struct browser *b);
void health_stop(struct health *h); /* after its browser's calls were failed; NULL is fine */
