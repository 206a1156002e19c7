/*
 * poolmsg.h - the words on browser-pool's socket.
 *
 * A client's first message asks for something; it ends with NUL (programs) or newline (people, with
 * socat), and everything after it, in both directions, ends the same way:
 *
 *	{"op":"lease","class":"interactive|check|document","wait_ms":n,"ttl_ms":n,"tag":"…",
 *	 "client":"…","key":"…","idle_ms":n,"mode":"page|browser","hidden":false}
 *			client says who shares a turn in the queue and the caps per client; left
 *			out: "uid:<uid>/pid:<pid>" of the process that connected; key: see below;
 *			mode is page when left out, and browser, without a key, for libraries;
 *			hidden: nobody looks at the page, see below
 *	  -> {"type":"queued","position":n}		each time the place changes
 *	  -> {"type":"leased","lease":n,"ttl_ms":n,"browser":"…","sticky":false}
 *							and from here CDP, below
 *	  -> {"type":"refused","reason":"…","message":"…","retry_after_ms":n}	then it closes
 *	{"op":"status"}  -> one JSON object: browsers, leases, waiting, totals; then the pool closes
 *	{"op":"pause"}	 lends nothing until resume: leases run on, who waits waits on (and loses
 *			 patience as ever), newcomers may queue
 *	{"op":"resume"}	 lends again
 *	{"op":"kill","lease":n}  ends this lease, lent or waiting, with reason killed
 *	{"op":"recycle"} every browser is replaced, leases keep theirs
 *	{"op":"drain"}	 refuses who waits and who comes, and the pool exits when the last lease has
 *			 ended; there is no way back
 *	  -> {"type":"ok"}, or {"type":"error","code":"…","message":"…"} where code is not_allowed
 *	     (pause and all below it are for root and for the pool's own user), no_such_lease or
 *	     shutting_down; then the pool closes
 *
 * After "leased" each side speaks CDP. A message has an id (a whole number) and a method. Without a
 * sessionId it is for the leased page, or in browser mode for a browser that has only this lease's
 * context (what client libraries want); a sessionId names a child of it: iframe, worker, page. The
 * pool rewrites ids, refuses methods that are not on its list
 * ({"id":n,"error":{"code":-32601,"message":"pool: method not allowed: X"}}), and says how the
 * lease ended before it closes: {"method":"Pool.ended","params":{"reason":"browser_gone"}}, and
 * then for every call that is still open
 * {"id":n,"error":{"code":-32000,"message":"pool: the lease ended: browser_gone"}}.
 *
 * With a key the page outlives its lease: when the client closes and no call is open, the page with
 * its document and cookies is kept for idle_ms, and the next lease with the very same key gets it
 * ("sticky":true). It has a new CDP session then: nothing is enabled. Keys are no secrets from the
 * pool's other clients, who could ask with the same one.
 *
 * A hidden page is to itself what a tab in the background is: document.visibilityState says so and
 * no frame is drawn, which is a sixth of a short job's CPU time. Scripts, forms, input, screenshots
 * and PDFs are as ever; requestAnimationFrame() waits until the page is shown, which
 * Emulation.setFocusEmulationEnabled does. To a page that was never shown window.outerWidth is 0;
 * what its layout and media queries see is innerWidth, which is as ever.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define POOL_TAG_SIZE	 64
#define POOL_CLIENT_SIZE 65
#define POOL_KEY_SIZE	 65
#define POOL_MAX_REQUEST 4096		    /* bytes of a first message */
#define POOL_MAX_CDP_IN	 (8 * 1024 * 1024)  /* bytes of one CDP message from a client */
#define POOL_MAX_CDP_OUT (64 * 1024 * 1024) /* bytes of one CDP message to a client */

enum pool_class { POOL_INTERACTIVE, POOL_CHECK, POOL_DOCUMENT, POOL_CLASS_COUNT };
enum pool_mode { POOL_MODE_PAGE, POOL_MODE_BROWSER, POOL_MODE_COUNT };
enum pool_op {
	POOL_OP_LEASE,
	POOL_OP_STATUS,
	POOL_OP_PAUSE,
	POOL_OP_RESUME,
	POOL_OP_KILL,
	POOL_OP_RECYCLE,
	POOL_OP_DRAIN,
	POOL_OP_COUNT
};

/* Why a lease ended or was refused: the same word in the message, the log and the metrics. */
enum pool_reason {
	POOL_REASON_CLIENT_GONE,   /* the worker closed: the usual end */
	POOL_REASON_CLOSED,	   /* Browser.close in browser mode */
	POOL_REASON_EXPIRED,	   /* ttl over */
	POOL_REASON_BROWSER_GONE,  /* the browser died or hung */
	POOL_REASON_PAGE_CRASHED,  /* its renderer died */
	POOL_REASON_PAGE_OOM,	   /* it did because of the memory that the page took */
	POOL_REASON_SETUP_FAILED,  /* no page could be made in time */
	POOL_REASON_SLOW_CONSUMER, /* the client did not read */
	POOL_REASON_FLOOD,	   /* its page said or made more than can be borne */
	POOL_REASON_TOO_LARGE,	   /* a message over its limit */
	POOL_REASON_BAD_MESSAGE,   /* not JSON, bad UTF-8, no id, … */
	POOL_REASON_QUEUE_FULL,	   /* refused: too many wait already */
	POOL_REASON_CLIENT_FULL,   /* refused: too many of this client's wait already */
	POOL_REASON_WAIT_OVER,	   /* refused: no page within wait_ms */
	POOL_REASON_NO_BROWSER,	   /* refused: none can be started now */
	POOL_REASON_MEMORY,   /* refused: within wait_ms memory was too short for another page */
	POOL_REASON_KILLED,   /* by a person */
	POOL_REASON_RECYCLED, /* its browser was replaced, and pool.drain_s is over */
	POOL_REASON_SHUTTING_DOWN, /* the pool drains or stops */
	POOL_REASON_COUNT
};

const char *pool_op_name(enum pool_op op);
const char *pool_class_name(enum pool_class cls);
int pool_class_parse(const char *name);
const char *pool_reason_name(enum pool_reason reason); /* "client_gone", … */
int pool_reason_parse(const char *name);

struct pool_request {
	enum pool_op op;
	enum pool_class cls;
	enum pool_mode mode;
	int64_t wait_ms, ttl_ms; /* lease only; bounded by the pool's settings, 0 = its default */
	/* Printable ASCII without spaces and quotes; may be empty. */
	char tag[POOL_TAG_SIZE], client[POOL_CLIENT_SIZE];
	char key[POOL_KEY_SIZE]; /* "": a fresh page, not kept */
	int64_t idle_ms;	 /* how long the page may be kept; 0 = the pool's default */
	bool hidden;		 /* nobody looks at the page: it is not drawn */
	int64_t lease;		 /* kill only */
};

/* From one message's bytes (without the end mark). -EBADMSG with a sentence for the client. */
int pool_request_parse(const char *text, size_t len, struct pool_request *ret, struct error *err);
json_t *pool_request_format(const struct pool_request *req); /* a new reference */
