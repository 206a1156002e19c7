/*
 * remains.h - the page processes that outlive their context.
 *
 * Chromium says that a target is destroyed some milliseconds before its process ends, and of a
 * stopped process it says so seconds before. A context's room must not be given away until then.
 * So, when Chromium has said that all of a context is gone, it is asked which processes it still
 * has; a page's process in /proc that it does not name remains of some context, and so does the one
 * that the context's page is known to have begun with (page_process.h), named or not:
 *
 *	found --ends--> gone
 *	   \--not in time, and not named by Chromium or known--> SIGKILL --ends--> gone
 *
 * The context is freed when everything found by the first question after its own end is gone. (One
 * that is just being started may be found too; it is forgotten as soon as Chromium names it.) There
 * is no limit here: the context has one.
 */
#pragma once

struct browser;
struct context;
struct remains;

struct remains *remains_new(struct browser *b);
void remains_stop(struct remains *r); /* its browser dies; after its calls were failed */
void remains_free(struct remains *r);

/* Chromium knows nothing of c any more: calls context_free() when its processes are gone. */
void remains_add_context(struct remains *r, struct context *c);
