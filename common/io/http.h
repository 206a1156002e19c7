/*
 * http.h - POSTs to one host, and nowhere else (libcurl).
 *
 * For the road without a browser (checker-worker/service.h). A form goes out, an answer of bounded
 * size comes back; what the site says is outside input. One connection is kept between requests.
 *
 * Nothing of the environment has a say: no proxy, no .netrc, no cookies. TLS is verified. A
 * redirect is not followed, to whichever host: a form may hold a token, and no page needs one here.
 *
 * Errors: -ECANCELED (tick said stop), -ETIMEDOUT, -EMSGSIZE (more than max_bytes), -EHOSTUNREACH (no
 * connection), -EPROTO (one, and no answer over it: no TLS, a certificate that is not to be trusted, it
 * broke). err tells the path, never the form.
 */
#pragma once

#include <stdint.h>

#include "buf.h"
#include "clock.h"
#include "error.h"

struct http;

typedef int http_tick_fn(void *arg); /* non-zero: stop */

struct http_options {
	const char *root;	/* "https://host[:port][/path]"; copied */
	const char *user_agent; /* "": none; copied */
	size_t max_bytes;	/* of one answer, unpacked */
	http_tick_fn *tick;	/* may be NULL; called at least once a second */
	void *tick_arg;
};

#define HTTP_MAX_RETRY_AFTER_S 86400

struct http_answer {
	long status;
	int64_t retry_after_s; /* 0: not said; at most HTTP_MAX_RETRY_AFTER_S */
	int64_t time;	       /* the site's clock, epoch seconds; ours when it is not told */
	char expires[40];      /* the header, as far as it fits */
	struct buf body;       /* may hold secrets */
};
#define HTTP_ANSWER_INIT                                                                           \
	{                                                                                          \
		.body = BUF_INIT                                                                   \
	}
void http_answer_done(struct http_answer *a);

int http_open(const struct http_options *o, struct http **ret, struct error *err);
void http_close(struct http *h);

/* path begins with "/". form is name=value&…, as http_form_add() makes it. *ret is emptied first.
 */
int http_post(struct http *h, const char *path, const struct buf *form, struct deadline deadline,
	      struct http_answer *ret, struct error *err);

void http_form_add(struct buf *form, const char *name, const char *value);
