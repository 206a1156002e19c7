/*
 * page.h - what workers do with a leased page: go somewhere, run a script, cookies in and out.
 *
 * page_goto() opens a page for its origin: our scripts fetch and parse there. So the page's own
 * scripts do not run and its images, styles, fonts and media are not loaded. page_open() opens a page
 * that is to be seen or printed, with all that belongs to it.
 *
 * Beside this core: page_wait.h (for a condition, for a navigation), page_intercept.h (what the page
 * may load), page_stream.h (where large answers go), page_print.h, page_shot.h, page_download.h.
 *
 * Errors as in lease.h, and:
 *	-EHOSTUNREACH	page_goto(), page_open(): the site did not answer (err has the browser's own
 *			name for it, net::ERR_…), or only with "HTTP 5xx" or "HTTP 429"
 *	-EREMOTEIO	page_evaluate(): the script threw; err has the exception's first line
 *	-ESTALE		page_evaluate(): the page went to another document meanwhile
 *	-EAGAIN		page_evaluate_apart(): it did so before the expression could be run
 */
#pragma once

#include "lease.h"

/* Call once after the lease: watches the page's events. From here on the page's dialogs are answered
 * by themselves: alert() and leaving a page with yes, confirm() and prompt() with no. */
int page_prepare(struct lease *l, struct deadline deadline, struct error *err);

/* Navigates and waits until the document is there (DOMContentLoaded); while it loads, its scripts
 * and what it would show are off. Documents with other HTTP failures (404, 403, …) count as there:
 * their origin is the site's. */
int page_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err);

/* Navigates and waits until all of the page is loaded (its load event). */
int page_open(struct lease *l, const char *url, struct deadline deadline, struct error *err);

/* What the document of the last of these two, or what came in its place, said of when to come back: the
 * Retry-After of a 429 or 503, the site's own text. "": nothing. */
const char *page_retry_after(const struct lease *l);

/* Its HTTP status, 0: none has come, and its Expires, "": none. */
long page_status(const struct lease *l, const char **expires);

/* Navigates and waits for that event; a navigation within the document has none. Whatever the site's
 * answer is, it is there. */
int page_navigate(struct lease *l, const char *url, const char *until, struct deadline deadline,
		  struct error *err);

/* Evaluates an expression (promise awaited, result by value) in the page's main world. *ret (may be
 * NULL) is yours; JSON null when there is no value. */
int page_evaluate(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err);

/* The same in a world of its own: it sees the document, and no script of the page's sees it or has
 * changed what it calls. The world is of one document: of a page that is just going elsewhere
 * the expression is not run in the next one. -EAGAIN: it was not in this one, either; -ESTALE: it may have
 * been. */
int page_evaluate_apart(struct lease *l, const char *expression, struct deadline deadline,
			json_t **ret, struct error *err);

/* Cookies of url as CDP cookie objects: an array, yours. url NULL: of every site. */
int page_get_cookies(struct lease *l, const char *url, struct deadline deadline, json_t **ret,
		     struct error *err);
/* Such an array back into a page, before it navigates, in place of what it has. Borrowed. A cookie
 * that was for one host or for the session only is so again. */
int page_set_cookies(struct lease *l, json_t *cookies, struct deadline deadline,
		     struct error *err);
int page_clear_cookies(struct lease *l, struct deadline deadline, struct error *err);

/* lease_call() that takes params. */
int page_call(struct lease *l, const char *method, json_t *params, struct deadline deadline,
	      json_t **ret, struct error *err);
