/*
 * launch.h - the first process of a browser, with its command line, its limits and its note for a
 * later pool (orphans.h).
 */
#pragma once

#include "child.h"
#include "error.h"

struct browser;
struct pool;

/* profile is its own folder. -errno when there can be no process now, and then no folder either. */
int launch_chromium(struct pool *p, const char *profile, struct child *ret, struct error *err);

/* Chromium runs and has no page yet: the limit of a page's process comes into force. The browser's
 * first process has more, because what pages do fills it too: their blobs lie there. */
void launch_limit_pages(const struct browser *b);
