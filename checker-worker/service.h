/*
 * service.h - Moodle's mobile web service: the road without a browser.
 *
 * A sign-in leaves a token beside the cookies where the site offers the service (scripts/
 * service_token.js, common/worker/moodle_session.h). A call takes several functions in one request.
 * Tokens and arguments travel in the form, never in an address.
 *
 * Whatever keeps the service from answering this student (no token, a dead one, a function that is
 * not offered, something to agree to first, an answer that is not understood, a certificate that only
 * a browser can make out, a connection that breaks) is no failure: the browser's road goes on from
 * there and tells what is the matter. A token that Moodle does not take any more is forgotten. A site
 * that cannot be reached, or asks to be left alone, fails the work as it does on the other road.
 */
#pragma once

#include "http.h"
#include "moodle_session.h"

#define SERVICE_MAX_CALLS 50 /* functions in one request */

enum service_end {
	SERVICE_FAILED = -1, /* after work_fail() */
	SERVICE_NONE = 0,    /* the browser's road */
	SERVICE_OK = 1,
};

struct service {
	struct http *http;
	const char *root;	   /* the site's address, no slash at its end */
	char *sealed;		   /* the saved session in use */
	json_t *token;		   /* its {"token"} */
	int patience_s;		   /* what is left to wait for a busy site in place */
	int64_t time;		   /* the site's clock at its newest answer */
	long long requests, bytes; /* spent; bytes after decompression */
};
#define SERVICE_INIT                                                                               \
	{                                                                                          \
		0                                                                                  \
	}

enum service_end service_open(struct work *w, struct service *s);
void service_close(struct service *s); /* for CLEANUP() too */

/* Another one of calls. arguments are taken. */
void service_add_call(json_t *calls, const char *function, json_t *arguments);

/* calls: [{"function", "arguments"}], at most SERVICE_MAX_CALLS. *ret, yours: as many as Moodle has
 * executed, [{"data"} | {"errorcode"}]; it stops behind the first error. */
enum service_end service_call(struct work *w, struct service *s, const json_t *calls, json_t **ret);

/* What takes the browser's road next, unless the settings forbid it: then -1 after work_fail(). */
int service_allow_browser(struct work *w);

/*
 * Whether a sign-in shall ask for a token. What a site has once said (offered: the script's
 * "service_offered") no sign-in asks again for ten minutes, as far as Redis can tell: the question
 * is one more request. Where the settings leave no other road each one asks.
 */
bool service_is_wanted(struct work *w);
void service_learn(struct work *w, const json_t *offered);

/* "requests" and "bytes" of this road and the browser's (0 each: not taken) in the job's result. */
void service_tell_cost(struct work *w, const struct service *s, long long requests,
		       long long bytes);
