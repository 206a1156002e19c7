/*
 * lease.h - a page lent by browser-pool, for straight-line processes: lease, CDP calls, end.
 *
 * The Unix-socket connection is the lease: lease_end() closes it, and so does the death of this
 * process. Every call has a deadline, and the lease's tick hook is called at least every 500 ms
 * while a call waits (progress, cancel checks); a hook that returns non-zero ends the wait with
 * -ECANCELED.
 *
 * Errors: -EBUSY refused (err says why: queue full, pressure), -ETIMEDOUT, -EPIPE the lease ended
 * (lease_end_reason() tells: "browser_gone", "page_crashed", "expired", "pool_gone", …), -EREMOTEIO
 * CDP answered with an error, -ECANCELED.
 */
#pragma once

#include <jansson.h>

#include "clock.h"
#include "error.h"
#include "poolmsg.h"

struct lease;
typedef int lease_tick_fn(void *arg);

struct lease_request {
	enum pool_class cls;
	int wait_ms;	 /* patience in the queue */
	int ttl_ms;	 /* longest life of the lease */
	const char *tag; /* job id, for logs */
	lease_tick_fn *tick;
	void *tick_arg;
};

int lease_begin(const char *socket_path, const struct lease_request *req, struct lease **ret,
		struct error *err);
void lease_end(struct lease *l); /* NULL is fine */
const char *lease_end_reason(const struct lease *l); /* "" while it lives */

/* One CDP call on the page's session. params may be NULL and is borrowed; *ret (may be NULL) is
 * the "result" object, yours to json_decref(). */
int lease_call(struct lease *l, const char *method, json_t *params, struct deadline deadline,
	       json_t **ret, struct error *err);

/* Waits for the page's next event of that name that arrived since the last lease_call() began or
 * since the last lease_wait_event(); params as in lease_call(). */
int lease_wait_event(struct lease *l, const char *method, struct deadline deadline, json_t **ret,
		     struct error *err);
