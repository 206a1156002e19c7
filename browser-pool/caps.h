/*
 * caps.h - how many browsers and pages, and how large one: as the settings say, or as fits the
 * memory.
 *
 *	memory		browsers  pages  a page's process, MiB
 *	512 MiB		1	   3	 128
 *	1 GiB		1	   8	 192
 *	2 GiB		1	  16	 384
 *	4 GiB		2	  24	 512
 *	8 GiB and more	2	  32	 512
 *
 * A browser takes some 130 MiB and a page 20 to 32. A second browser is there so that the end of
 * one does not end every lease, not for speed, and not with fewer than eight pages each. A machine
 * of 1 GiB shows less than that to its programs, so a row holds from three quarters of its size on.
 * From 1 GiB on, three pages that take all they may fit beside each other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct settings;

struct pool_caps {
	int64_t browsers, pages, page_mb;
	bool browsers_automatic, pages_automatic, page_mb_automatic;
};

/* Measures the memory and chooses, now and whenever the settings change. */
void pool_caps_measure(struct pool_caps *l, const struct settings *s);
/* The choice alone. */
void pool_caps_choose(struct pool_caps *l, const struct settings *s, int64_t memory_bytes);
