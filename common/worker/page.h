/*
 * page.h - what workers do with a leased page: go somewhere, run a script, cookies in and out.
 *
 * Pages are opened for their origin: our scripts fetch and parse there. So a page's own scripts do
 * not run and its images, styles, fonts and media are not loaded. A page that is to be seen or
 * printed needs none of this module's page_prepare() and page_goto(): use lease_call().
 *
 * Errors as in lease.h, and:
 *	-EHOSTUNREACH	page_goto(): the site did not answer (err has the browser's own name for it,
 *			net::ERR_…), or only with "HTTP 5xx" or "HTTP 429"
 *	-EREMOTEIO	page_evaluate(): the script threw; err has the exception's first line
 */
#pragma once

#include "lease.h"

/* Call once after the lease: watches the page's events. */
int page_prepare(struct lease *l, struct deadline deadline, struct error *err);

/* Navigates and waits until the document is there (DOMContentLoaded); while it loads, its scripts
 * and what it would show are off. Documents with other HTTP failures (404, 403, …) count as there:
 * their origin is the site's. */
int page_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err);

/* Evaluates an expression (promise awaited, result by value) in the page's main world. *ret (may be
 * NULL) is yours; JSON null when there is no value. */
int page_evaluate(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err);

/* Cookies of url as CDP cookie objects: an array, yours. */
int page_get_cookies(struct lease *l, const char *url, struct deadline deadline, json_t **ret,
		     struct error *err);
/* Such an array back into a page, before it navigates, in place of what it has. Borrowed. A cookie that was for one host or
 * for the session only is so again. */
int page_set_cookies(struct lease *l, json_t *cookies, struct deadline deadline,
		     struct error *err);
