/*
 * page_wait.h - waiting for what a page does.
 *
 * The tick hook runs meanwhile, and so do the lease's handlers. For any other CDP event there is
 * lease_wait_event(). Errors as in page.h.
 */
#pragma once

#include "page.h"

/* Waits until a JavaScript expression is truthy; *ret (may be NULL) is its value, yours. One call:
 * the page itself looks again after each change of its document, and every 50 ms for what is no
 * change of it. The expression may be a promise; one that throws is not true yet. When the page
 * goes elsewhere the wait goes on in the new document. -ETIMEDOUT: err has what it threw last, if
 * it did; -EREMOTEIO at once for what is no expression. Needs the page's scripts on (not inside
 * page_goto()). */
int page_wait_for(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err);

/* Waits until the page's main document is another one and is loaded; for what a click begins. Only
 * right after the one call that begins it (it looks at the events since then), on a page after
 * page_prepare(). Going to another place in the same document is none: page_wait_for() sees that.
 * -EHOSTUNREACH: what came is the browser's own error page. */
int page_wait_navigation(struct lease *l, struct deadline deadline, struct error *err);
