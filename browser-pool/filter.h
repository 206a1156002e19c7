/*
 * filter.h - which CDP methods a client may call on its page: default deny.
 *
 * A page's session reaches much further than the page: Chromium lets it close the browser, attach
 * to other contexts' pages, read files of the daemon's user. So only methods on the list pass, and
 * where a listed method takes something that reaches out (an address, a world with extra rights),
 * its parameters are looked at as well. Domains whose every method stays inside the page are listed
 * whole.
 */
#pragma once

#include <jansson.h>

#include "cdpmsg.h"
#include "error.h"

/* 0, or -EPERM with the sentence for the client. m has a method. */
int filter_check(const struct cdpmsg *m, struct error *err);
/* -ENOSYS with the sentence for a method that is not allowed. */
int filter_refuse(const struct cdpmsg *m, struct error *err);
/* The same for the member "url" alone. */
int filter_check_url(json_t *params, struct error *err);

/* What there is to say of windows, of which there are none; a new reference. */
json_t *filter_window(void);
/* The answer to what libraries ask of every page, and the pool answers itself; NULL = not that. A
 * new reference. */
json_t *filter_answer(const struct cdpmsg *m);
