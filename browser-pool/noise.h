/*
 * noise.h - what a browser says on its stderr, in the log.
 *
 * It must be read, or the browser waits. Why a start fails it may say there, so until it has
 * started its lines are warnings; later they are for who looks for a fault (log.level = debug).
 */
#pragma once

struct browser;
struct noise;

struct noise *noise_start(struct browser *b, int stderr_fd); /* takes the descriptor */
/* Says the rest first: its end may be seen before its last words. NULL is fine. */
void noise_stop(struct noise *n);
