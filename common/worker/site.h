/*
 * site.h - how we visit the Moodle site: under our own name, and never beyond its host.
 *
 * The name is Chromium's own User-Agent with site.user_agent_suffix behind it, so that the site's
 * operators see who asks. A navigation that is sent to another host is refused before anything
 * leaves for it; what our scripts fetch is kept to the site's origin by themselves (scripts/moodle.js).
 */
#pragma once

#include "page.h"
#include "work.h"

/* Each time, also for a page that was kept. */
int site_sign_requests(struct work *w, struct lease *l, struct deadline deadline, struct error *err);

/* page_goto() that stays on the site's host. -EXDEV: the site sent us to another one. */
int site_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err);
