/*
 * page_shot.h - a picture of the page.
 *
 * CDP gives a picture in one message, so its size is bounded before it is made: a side of at most
 * 16,384 pixels (what the browser's own surfaces hold) and 32 million pixels in all. A picture that
 * does not compress and is still too large for one message of the pool (poolmsg.h) ends the lease:
 * too_large.
 *
 * Errors as in lease.h; -EFBIG too many pixels, or bytes; -EINVAL an empty clip.
 */
#pragma once

#include "buf.h"
#include "page.h"

struct page_shot {
	bool full_page;		    /* all of the document, not only what a window shows */
	double x, y, width, height; /* CSS pixels of the document; width 0: no clip */
	int jpeg_quality;	    /* 1 … 100; 0: PNG */
	size_t max_bytes;	    /* of the picture */
};

/* Appends the picture. */
int page_shot(struct lease *l, const struct page_shot *shot, struct deadline deadline,
	      struct buf *out, struct error *err);
