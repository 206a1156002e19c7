/*
 * context.h - a browser context with one page in it: what a lease lends.
 *
 *	MAKING --its page answers--> WARM --> LENT --lease over--> DISPOSING --gone--> freed
 *	   |                          |       ^  |                  ^  ^  ^
 *	   |                          |   same|  |clean end         |  |  |
 *	   |                          |    key|  v of one with key  |  |  |
 *	   |                          |       | KEEPING --no answer-+  |  |
 *	   |                          |       |  |                     |  |
 *	   |                          |       |  v                     |  |
 *	   |                          |       +-KEPT --idle, evicted---+  |
 *	   |                          +-------- browser drains -----------+
 *	   +-- late or failed: the browser drains
 *
 * A lease with a key that ends cleanly leaves its page, document and cookies and all, for the next
 * lease with this key. KEEPING takes the page's session away and attaches a new one, so that
 * nothing is enabled, emulated or blocked any more, and asks the page whether it is alive.
 *
 * It is made through a browser session of its own (Target.attachToBrowserTarget), and the context
 * is disposed with that session: one message ends everything, whatever the page does. It counts
 * against pool.max_pages until Chromium said that its pages' targets are destroyed and their
 * processes are gone (remains.h), or the browser is gone; when that does not come in time, the
 * browser drains.
 *
 * MAKING ends with a script run in the page, which starts its process: a browser that can make
 * targets but no processes (its zygote is dead) is found here and not by a worker.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "cdpmsg.h"
#include "poolmsg.h"
#include "session.h"
#include "targets.h"

struct browser;
struct pool_lease;

enum context_state {
	CONTEXT_MAKING,
	CONTEXT_WARM,
	CONTEXT_LENT,
	CONTEXT_KEEPING,
	CONTEXT_KEPT,
	CONTEXT_DISPOSING,
	CONTEXT_STATE_COUNT
};

struct context {
	TAILQ_ENTRY(context) link; /* in browser->contexts[state] */
	struct browser *browser;
	enum context_state state;
	struct event *timer; /* deadline of MAKING, KEEPING, KEPT and DISPOSING */
	int64_t begun_ms;    /* of MAKING, then of DISPOSING */
	unsigned last_lease; /* its id, 0 when it was never lent */
	bool is_canary;

	char browser_session[CDP_NAME_SIZE];
	char name[CDP_NAME_SIZE]; /* browserContextId */
	char target[CDP_NAME_SIZE];
	char page_session[CDP_NAME_SIZE];
	pid_t page_pid;		   /* page_process.h; 0 = not known */
	uint64_t page_start_ticks; /* of that process */
	int64_t window; /* that the page stands in */
	bool hidden;	/* the page is not drawn; so it is born */

	struct target_list targets; /* all that Chromium told of; the page is one of them */
	unsigned target_count, page_count;
	unsigned by_page_count; /* of the targets, those that its page made */
	int64_t by_page_due_ms; /* when all that it ever made would be there at a bearable pace */
	bool is_flood;		/* it was faster */

	struct pool_lease *lease; /* while LENT */
	struct session root;	  /* likewise: what the client's messages reach */
	struct session_list sessions;
	unsigned session_count, last_session;
	unsigned open_calls;		/* the client's */
	bool session_gone, target_gone; /* what DISPOSING waits for, */
	uint64_t question;		/* and then this one of remains.h, 0 before */

	char key[POOL_KEY_SIZE];  /* KEEPING and KEPT: whose next lease it is for */
	int64_t idle_ms, kept_ms; /* how long at most, and since when */
};

TAILQ_HEAD(context_list, context);

const char *context_state_name(enum context_state state);

void context_make(struct browser *b);
/* A page that is thrown away when it is there, unless somebody waits for one. */
void context_make_canary(struct browser *b);
void context_lend(struct context *c, struct pool_lease *l);
/* LENT -> KEEPING: the lease is over, its page waits for the next lease with this key. */
void context_keep(struct context *c, const char *key, int64_t idle_ms);
/* WARM, LENT, KEEPING, KEPT: the end of it. The lease, if any, is told by its own side. */
void context_dispose(struct context *c);
/* Its browser is gone. */
void context_free(struct context *c);

/* Chromium said that a target of it is destroyed (and t is forgotten), or that a page's process
 * died (for this reason, as far as is known; status as Chromium's). */
void context_note_destroyed(struct context *c, struct target *t);
void context_note_crashed(struct context *c, const struct target *t, enum pool_reason reason,
			  const char *status);
/* Its page's process was killed, or will be; Chromium may be too busy to tell of that soon. */
void context_end(struct context *c, enum pool_reason reason, const char *why);

/* For making.c: the only one that moves a context; a name from Chromium, into CDP_NAME_SIZE. */
void context_set_state(struct context *c, enum context_state state);
bool context_take_name(json_t *result, const char *member, char *ret);

/* NULL when no context of the browser has it. */
struct context *context_find_name(struct browser *b, const char *name);
