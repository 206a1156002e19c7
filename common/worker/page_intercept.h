/*
 * page_intercept.h - what a page may load.
 *
 * Each request that the rules are about is held by the browser until we answer: refused
 * (net::ERR_BLOCKED_BY_CLIENT, it never leaves the machine) or let go. The answer is given by a
 * handler of the lease, so inside whichever call waits; between calls held requests wait. Without
 * allow_hosts only what is to be refused is held, which costs the rest nothing.
 *
 * It saves traffic and keeps a page to its own site; it is no firewall: what the page opens in
 * other pages (window.open), its WebSockets and its service workers are not seen.
 *
 * Life: page_intercept() any number of times, the last one counts; page_intercept_end(), or the
 * lease's end. Errors as in lease.h. Uses CDP's Fetch domain: callers leave it alone.
 */
#pragma once

#include "page.h"

enum page_kind {
	PAGE_IMAGES = 1,
	PAGE_MEDIA = 2,
	PAGE_FONTS = 4,
	PAGE_STYLES = 8,
	PAGE_SCRIPTS = 16,
};

struct page_rules {
	unsigned block_kinds; /* of enum page_kind */
	/* Both end with NULL, NULL for none, and are copied. Addresses with * and ?, no brackets;
	 * hosts in small letters without a port, ".example.org" with all below it. data: and blob:
	 * have no host and may be loaded. */
	const char *const *block_urls;
	const char *const *allow_hosts; /* NULL: every host */
	/* NULL: every origin. Ends with NULL: "https://login.example.org:8443", as the browser writes
	 * it; asset_origins (may be NULL) are for what is no document. */
	const char *const *allow_origins;
	const char *const *asset_origins;
};

int page_intercept(struct lease *l, const struct page_rules *rules, struct deadline deadline,
		   struct error *err);
int page_intercept_end(struct lease *l, struct deadline deadline, struct error *err);
unsigned page_refused_count(const struct lease *l); /* requests, since the lease began */
/* Scheme, host and port of the last document that was refused, of a frame, too; "": none was. */
const char *page_refused_document(const struct lease *l);

/* Goes to url without asking for it: the document is an empty one that we answer ourselves, and its
 * origin is url's. What a script of ours fetches there is then the first that the site hears of. The
 * rules stay as they are. */
int page_stand_at(struct lease *l, const char *url, struct deadline deadline, struct error *err);

/* ---- for page_download.c ---- */

/* Also sees the requests of documents, when they are to be sent and when their answer begins.
 * params are those of Fetch.requestPaused; refused: the rules forbid it. 0: not mine, goes the
 * rules' way; 1: it comes out of lease_wait_event(), and who gets it there answers it, if the watcher
 * has not; a negative errno as from a lease_event_fn, and then the watcher has answered it. */
typedef int page_watch_fn(struct lease *l, json_t *params, bool refused, void *arg,
			  struct error *err);
int page_watch(struct lease *l, page_watch_fn *fn, void *arg, struct deadline deadline,
	       struct error *err);
void page_watch_end(struct lease *l); /* does not wait */
