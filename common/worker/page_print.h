/*
 * page_print.h - the page as a PDF.
 *
 * It comes as a stream of bounded pieces, so its size costs the pool and us nothing. Errors as in
 * page_stream.h; -EREMOTEIO too when the browser cannot print so (margins wider than the paper, …).
 */
#pragma once

#include "page_stream.h"

struct page_paper {
	double width_mm, height_mm, margin_mm;
	bool landscape;
	bool background;    /* colours and pictures behind the text */
	bool css_size;	    /* @page's size, where the document has one, in place of ours */
	const char *header; /* HTML with classes date, title, url, pageNumber, totalPages; may be
			       NULL */
	const char *footer;
};
#define PAGE_A4                                                                                    \
	{                                                                                          \
		.width_mm = 210, .height_mm = 297, .margin_mm = 10, .background = true             \
	}

int page_print(struct lease *l, const struct page_paper *paper, struct page_sink *sink,
	       struct deadline deadline, struct error *err);
