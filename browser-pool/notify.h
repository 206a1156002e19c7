/*
 * notify.h - what systemd is told while the pool runs: a line about its state, and that it lives.
 *
 * STATUS= says "n pages lent, m wait, k browsers" when that has changed, every 5 seconds at most.
 * WATCHDOG=1 comes from the loop at half of $WATCHDOG_USEC, so a loop that hangs is found.
 */
#pragma once

struct notify;
struct pool;

struct notify *notify_start(const struct pool *p);
void notify_stop(struct notify *n);
