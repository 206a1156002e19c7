/*
 * browser.h - one Chromium process: start, health, recycling, end.
 *
 *	STARTING --answered--> READY --drain--> DRAINING --no page in use, late--> DYING --> freed
 *	    |                    |                  |                             ^
 *	    +--------------------+------------------+------- died or hung --------+
 *
 * STARTING: executed, has not answered yet (bounded). READY: contexts may be made. DRAINING: its
 * leases run to their end, or for pool.drain_s. DYING: its group got SIGKILL; it counts as a
 * browser until every process of the group is gone and its profile is removed, so that caps hold
 * for dying ones too.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "backlog.h"
#include "calls.h"
#include "canary.h"
#include "cdpmsg.h"
#include "clock.h"
#include "context.h"
#include "poolmsg.h"
#include "priority.h"
#include "recycle.h"

struct pool;
struct frames;
struct health;
struct remains;
struct noise;

enum browser_state {
	BROWSER_STARTING,
	BROWSER_READY,
	BROWSER_DRAINING,
	BROWSER_DYING,
	BROWSER_STATE_COUNT
};

struct browser {
	TAILQ_ENTRY(browser) link; /* in pool->browsers[state] */
	struct pool *pool;
	enum browser_state state;
	unsigned id;
	pid_t pid;
	char *profile;
	char version[64]; /* "HeadlessChrome/156…", "" before READY */
	char exit[32];	  /* how its first process ended, "" before it did */

	struct frames *pipe; /* NULL once DYING */
	struct noise *noise; /* its stderr; likewise */
	struct calls *calls;
	struct context_list contexts[CONTEXT_STATE_COUNT];
	unsigned context_count; /* all states */

	struct event *timer; /* deadline of its start or drain, or the next look at a dying group */
	struct health *health; /* from READY to DYING */
	struct remains *remains;

	bool made_context; /* ever: its start was a success */
	bool holds_popups; /* popups.h */
	int64_t started_ms, draining_ms, dying_ms;
	unsigned served; /* leases so far */
	struct canary canary;
	struct backlog backlog;
	struct recycle recycle;
	struct priority priority;
};

TAILQ_HEAD(browser_list, browser);

const char *browser_state_name(enum browser_state state);

/* Starts one; what becomes of it shows in pool->browsers. -errno when that was not possible. */
int browser_start(struct pool *p, struct error *err);

/* No more contexts here; killed as soon as none is in use, or after pool.drain_s. */
void browser_drain(struct browser *b, enum recycle_reason why);
/* How much of pool.drain_s is left. */
int64_t browser_drain_left_ms(const struct browser *b);
/* Ends it and its leases now, with reason. */
void browser_kill(struct browser *b, enum pool_reason reason, const char *why);
/* The kernel says that this process is dead. */
void browser_note_exit(struct browser *b, int status);

/* A context of it changed its state: perhaps a draining browser is free now. */
void browser_note_context(struct browser *b);

/* One call of the pool's own; params is taken. fn comes exactly once, from the loop. */
void browser_call(struct browser *b, const char *session, const char *method, json_t *params,
		  call_fn *fn, void *arg);
/* One whose answer nobody needs. */
void browser_tell(struct browser *b, const char *session, const char *method, json_t *params);
/* The same with any call: a client's, or the pool's own for a client. */
void browser_call_as(struct browser *b, const struct call *call, const char *session,
		     const char *method, json_t *params);
/* Bytes that Chromium has not read yet. */
size_t browser_unsent_bytes(const struct browser *b);
