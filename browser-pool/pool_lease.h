/*
 * pool_lease.h - one request for a page, from the question to the written reason of its end.
 *
 *	WAITING --page--> LENT --any end--> OVER
 *	   +--refused, client gone---------^
 *
 * Owned by its client. The end is told once: to the client (Pool.ended or refused), to the log and
 * to the totals, with the same word. After it the context, if there was one, is being disposed, or
 * kept for the next lease with the same key (context.h) when the client just closed.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "cdpmsg.h"
#include "error.h"
#include "outflow.h"
#include "poolmsg.h"

struct pool;
struct client;
struct context;
struct tenant;
struct vbrowser;

#define CDP_ERROR_SERVER     (-32000)
#define CDP_ERROR_SESSION    (-32001)
#define CDP_ERROR_NO_METHOD  (-32601)
#define CDP_ERROR_BAD_PARAMS (-32602)

enum pool_lease_state { POOL_LEASE_WAITING, POOL_LEASE_LENT, POOL_LEASE_OVER };

struct pool_lease {
	TAILQ_ENTRY(pool_lease) link;	   /* in the queue, or in pool->lent */
	TAILQ_ENTRY(pool_lease) line_link; /* while WAITING: in its tenant's line */
	struct pool *pool;
	struct client *client;
	struct tenant *tenant;
	struct context *context;   /* while LENT */
	struct vbrowser *vbrowser; /* in browser mode, from the lend on */
	enum pool_lease_state state;
	unsigned id;
	struct pool_request request; /* its times are bounded by the settings */
	struct event *timer;	     /* the wait's, then the ttl's */
	struct outflow outflow;	     /* what its page says */
	int64_t asked_ms, lent_ms;
	unsigned position; /* as the client was told last; 0 = not yet */
	bool sticky;	   /* its page is the one that its key had before */
};

TAILQ_HEAD(pool_lease_list, pool_lease);

struct pool_lease *pool_lease_new(struct pool *p, struct client *c,
				  const struct pool_request *request);
void pool_lease_begin(struct pool_lease *l); /* into the queue, or refused */
void pool_lease_free(struct pool_lease *l);  /* ended before, or never begun */

/* WAITING -> LENT, told to the client. */
void pool_lease_lend(struct pool_lease *l, struct context *c);
void pool_lease_end(struct pool_lease *l, enum pool_reason reason, const char *detail);
void pool_lease_tell_position(struct pool_lease *l, unsigned position);

/* LENT: a message of its page for the client, whose id for it was client_id, and whose name for the
 * session it is (NULL for none). */
void pool_lease_give(struct pool_lease *l, const struct cdpmsg *m, int64_t client_id,
		     const char *session);
/* LENT: a small message of the pool's own, which is taken. */
void pool_lease_tell(struct pool_lease *l, json_t *message);
void pool_lease_answer_error(struct pool_lease *l, const char *session, int64_t id, int code,
			     const char *message);
/* Its method m is not allowed. */
void pool_lease_deny(struct pool_lease *l, const char *session, const struct cdpmsg *m,
		     const struct error *err);
/* LENT: a message of the client for its page. */
void pool_lease_take_message(struct pool_lease *l, const char *text, size_t len);
