/*
 * lease.h - a page lent by browser-pool, for straight-line processes: lease, CDP calls, end.
 *
 * The Unix-socket connection is the lease: lease_end() closes it, and so does the death of this
 * process. Every call has a deadline, and the lease's tick hook is called at least every 500 ms
 * while a call waits (progress, cancel checks); a hook that returns non-zero ends the wait with
 * -ECANCELED. After -ETIMEDOUT or -ECANCELED the lease is still good for other calls, unless the
 * page itself hangs; a late answer is thrown away.
 *
 * Errors: -ENOENT or -ECONNREFUSED no pool there, -EBUSY refused (err says why: queue full, no
 * browser, …), -ETIMEDOUT, -EPIPE the lease ended (lease_end_reason() tells: a word of poolmsg.h,
 * or "pool_gone" when the connection just broke), -EREMOTEIO CDP answered with an error,
 * -ECANCELED, -E2BIG a call over POOL_MAX_CDP_IN.
 *
 * While any call waits, the lease's handlers hear of what else arrives: so a dialog or a paused
 * request is answered even inside a call that has nothing to do with it. Between calls nobody
 * listens, and the page waits.
 *
 * Not thread-safe; no signals are touched (SIGPIPE must be ignored: daemon_prepare() does it).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "clock.h"
#include "error.h"
#include "poolmsg.h"

struct lease;
typedef int lease_tick_fn(void *arg);

struct lease_request {
	enum pool_class cls;
	int wait_ms;	     /* patience in the queue; 0 = the pool's own */
	int ttl_ms;	     /* longest life of the lease; 0 = the pool's own */
	const char *tag;     /* job id, for logs; NULL for none */
	const char *key;     /* the page is kept for the next lease with this key; NULL: not */
	int idle_ms;	     /* … at most so long; 0 = the pool's own */
	bool hidden;	     /* nobody looks at the page: it is not drawn */
	lease_tick_fn *tick; /* may be NULL */
	void *tick_arg;
};

/* req is borrowed during the call, its tick_arg as long as the lease lives. */
int lease_begin(const char *socket_path, const struct lease_request *req, struct lease **ret,
		struct error *err);
/* NULL is fine. With a key it waits a moment (300 ms at most) for the answers that are still to come,
 * since the pool keeps no page whose calls are open. */
void lease_end(struct lease *l);
/* The page is the one that the last lease with this key left: its document, its cookies. */
bool lease_is_sticky(const struct lease *l);
const char *lease_end_reason(const struct lease *l); /* "" while it lives; NULL is fine */

/* One CDP call on the page's session. params may be NULL and is borrowed; *ret (may be NULL) is
 * the "result" object, yours to json_decref(). */
int lease_call(struct lease *l, const char *method, json_t *params, struct deadline deadline,
	       json_t **ret, struct error *err);

/* What is to be computed while the browser works: called once, right behind the sending of the next
 * lease_call(), which fn may not call into. fn NULL: nothing any more. */
void lease_meanwhile(struct lease *l, void (*fn)(void *arg), void *arg);

/* The same without waiting: the answer is thrown away, unless LEASE_ANSWERS has a handler. Takes
 * params. *ret (may be NULL) is the id. The pool takes so many open calls and no more: what is too
 * many waits here, and goes before the next lease_call(). A message that cannot be sent ends the
 * lease, so callers need not look at what it returns. */
int lease_post(struct lease *l, const char *method, json_t *params, int64_t *ret);

/* Called for each event of its name as it is read, inside whichever call reads it. 0: kept for
 * lease_wait_event(); 1: done with; a negative errno, with its sentence, ends the call that waits,
 * which returns it. params is borrowed. It may lease_post(), and no more than that. */
typedef int lease_event_fn(struct lease *l, json_t *params, void *arg, struct error *err);

/* One handler for a name (events.h has their number), in place of the one before; fn NULL takes it
 * away. done(arg), if there is one, is called when the handler goes, at the latest in lease_end().
 * method is borrowed as long. */
void lease_handle(struct lease *l, const char *method, lease_event_fn *fn, void *arg,
		  void (*done)(void *arg));
void *lease_handler_arg(const struct lease *l, const char *method); /* NULL: no handler */
/* In place of an event's name: answers that no lease_call() waits for, as whole messages. */
#define LEASE_ANSWERS "(answers)"

/* Waits for the page's next event of that name that arrived since the last lease_call() began or
 * since the last lease_wait_event(); *ret (may be NULL) is its "params". Of a flood only the last
 * few hundred events are remembered. */
int lease_wait_event(struct lease *l, const char *method, struct deadline deadline, json_t **ret,
		     struct error *err);
