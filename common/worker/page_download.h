/*
 * page_download.h - a file by its address, with the page's session, in bounded pieces.
 *
 * The page navigates to the file, and is held at the moment when the answer's body begins: the body
 * goes to the sink as a stream and the navigation is given up, so the page keeps its document.
 * Against the other ways: the browser's own downloads write into its file system (the pool refuses
 * them), a fetch() in the page obeys the page's policies and cannot leave its origin, and
 * Network.loadNetworkResource does not say what the file is called. A navigation sends the
 * session's cookies, follows redirects to wherever they go (but not past the rules of
 * page_intercept.h) and needs no memory for the body, here or in the page. While it runs the page
 * itself answers nothing: the sink must not call it. A beforeunload handler of the page is heard.
 *
 * Errors as in page.h and page_stream.h, and:
 *	-EHOSTUNREACH	the site did not answer, or only with "HTTP 5xx" or "HTTP 429"
 *	-ENOENT		HTTP 404 or 410
 *	-EACCES		HTTP 401 or 403
 *	-EREMOTEIO	another HTTP failure, or no address
 *	-EPERM		the rules of page_intercept.h refuse the address, or one that it leads to
 *	-EIO		the body ended too early
 *	-ESTALE		the page itself went to another document meanwhile
 */
#pragma once

#include "page_intercept.h"
#include "page_name.h"
#include "page_stream.h"

struct page_file {
	int status;
	int64_t size; /* as the site says; -1: it does not */
	char name[PAGE_NAME_SIZE];
	char type[128]; /* "application/pdf; …", or "" */
};

/* url may be relative to the page's own. *ret (may be NULL) is complete before the first byte
 * reaches the sink, and also after an HTTP failure. */
int page_download(struct lease *l, const char *url, struct page_sink *sink, struct page_file *ret,
		  struct deadline deadline, struct error *err);
