/*
 * page.h - what workers do with a leased page: go somewhere, run a script, cookies in and out.
 */
#pragma once

#include "lease.h"

/* Blocks images, styles, fonts, media; enables what page_goto() needs. Call once after the lease. */
int page_prepare(struct lease *l, struct deadline deadline, struct error *err);

/* Navigates and waits until the document is there (DOMContentLoaded). -EHOSTUNREACH with the
 * browser's own error name (net::ERR_…) when the site did not answer. */
int page_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err);

/* Evaluates an expression (promise awaited, result by value) in the page's main world. *ret is
 * yours. -EREMOTEIO with the exception's first line when the script threw. */
int page_evaluate(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err);

/* Cookies of url as CDP cookie objects (array, yours) / set before navigating. */
int page_get_cookies(struct lease *l, const char *url, struct deadline deadline, json_t **ret,
		     struct error *err);
int page_set_cookies(struct lease *l, json_t *cookies, struct deadline deadline,
		     struct error *err);
