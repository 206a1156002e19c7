/*
 * page_process.h - which process a context's page runs in.
 *
 * CDP has no word for that, but the ids that a page's process makes up begin with its pid; one is
 * asked for while the page is being made. A page that went to another site may have got another
 * process since, and one in an endless loop could not be asked: then it is the one that works most
 * among those that are nobody else's.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct browser;
struct context;

/* Through the page's session, of which nobody else has made use yet. */
void page_process_ask(struct context *c);

/* NULL when no context of the browser is known to have it. */
struct context *page_process_owner(struct browser *b, pid_t pid, uint64_t start_ticks);

/* The one that the page began with; 0: not known, or it has ended. */
pid_t page_process_running(const struct context *c);

/* At once, whatever its browser is busy with. */
void page_process_kill(struct context *c, const char *why);
