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

/* The suffix alone, which may be empty, appended to out: who asks without a browser. */
void site_name_us(const struct work *w, struct buf *out);

/* Each time, also for a page that was kept. */
int site_sign_requests(struct work *w, struct lease *l, struct deadline deadline,
		       struct error *err);

/*
 * A site that answered 429 or 503 with Retry-After is left alone by all jobs for so long, but ten minutes
 * at the most, as far as Redis can tell them. site_pause() is for the job that heard it; site_is_paused()
 * fails the work of the others ("site_busy"), to be tried again when the time is over.
 */
void site_pause(struct work *w, int64_t seconds);
bool site_is_paused(struct work *w);

/* Moodle's own page while it is being upgraded, a file with this Expires (in 1969) in place of all that it
 * answers. It says when to come back, too, but the student is to hear of it at once. */
bool site_is_closed(long status, const char *expires);

/* page_goto() that stays on the site's host. -EXDEV: the site sent us to another one. */
int site_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err);
