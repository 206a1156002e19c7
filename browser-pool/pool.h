/*
 * pool.h - what the modules of this program share: settings, browsers, waiters, counts.
 *
 * Who is who, and who owns whom:
 *
 *	client    a connection on the socket; owns the lease that it asked for
 *	lease     one request for a page: it waits in the queue, then holds a context, then is over
 *	context   a browser context with one page: being made, warm, lent, being kept, kept for a
 *		  key, being disposed
 *	browser   a Chromium process; owns its contexts
 *
 * A lease and a context point at each other only while the context is lent. Decisions about scarce
 * things (which waiter, which context, another browser?) are all in pool.c, taken once per turn of
 * the loop after pool_wake(): whoever changes something that matters to them calls it.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "browser.h"
#include "caps.h"
#include "context.h"
#include "defer.h"
#include "denied.h"
#include "memory.h"
#include "pool_lease.h"
#include "poolmsg.h"
#include "processes.h"
#include "rundir.h"
#include "settings.h"
#include "tenant.h"
#include "waiting.h"

#define POOL_LOOK_S	   1
#define POOL_WARM_CONTEXTS 2 /* blank pages kept ready, within caps.pages; fewer when busy */

struct pool_totals {
	uint64_t leased;
	uint64_t sticky; /* of these: with the page that their key had before */
	uint64_t ended[POOL_REASON_COUNT];   /* of leases that had a page */
	uint64_t refused[POOL_REASON_COUNT]; /* of leases that had none */
	int64_t waited_ms;		     /* of all leased */
	int64_t lasted_ms;		     /* of all ended */
	uint64_t browser_starts;
	/* Ended while the pool did not stop: by themselves, or for a reason. */
	uint64_t browsers_gone, browsers_recycled[RECYCLE_REASON_COUNT];
	uint64_t contexts_made;
	uint64_t page_processes_killed; /* that did not end with their page */
};

struct pool {
	struct event_base *base;
	const struct settings *settings; /* borrowed */
	struct pool_caps caps;		 /* in force */
	struct defer *defer;
	struct rundir *rundir;
	struct memory *memory;
	struct watchdog *watchdog;
	struct usage *usage;
	struct idle *idle;
	struct processes *processes; /* of all browsers; refresh before a look */

	struct browser_list browsers[BROWSER_STATE_COUNT];
	unsigned context_count[CONTEXT_STATE_COUNT]; /* over all browsers */
	struct waiting *waiting;
	struct tenants *tenants;
	struct pool_lease_list lent;

	bool paused;   /* nothing is lent; who waits waits on */
	bool stopping; /* no new leases; the loop ends when the last one and the browsers have */

	unsigned start_failures; /* in a row, counted until a new browser made a page */
	enum pool_reason last_failure;
	struct deadline next_start;
	struct ahead *ahead;
	int64_t mean_lease_ms;

	struct event *decide;	   /* pending: decisions are due */
	struct event *start_timer; /* the pause after a failed start is over */
	struct event *look_timer;  /* every POOL_LOOK_S: at what no event tells */
	struct event *stop_timer;  /* patience with leases while stopping is over */

	unsigned last_browser_id, last_lease_id;
	unsigned weighed_lease_id; /* up to this one it was asked whether too many wait */
	int64_t started_ms;
	struct pool_totals totals;
	struct denied denied;
};

/* dir is borrowed. */
struct pool *pool_new(struct event_base *base, const struct settings *s, struct rundir *dir);
void pool_free(struct pool *p); /* after the loop that pool_stop() ends: no browser, no client */

/* Something changed: decide anew before the loop waits again. */
void pool_wake(struct pool *p);
/* The settings changed under it. Pages over a new limit run on; no more are lent until they fit. */
void pool_note_limits(struct pool *p);

/* A browser could not be started (no_browser), or no page could be made in it (setup_failed). */
void pool_note_start_failed(struct pool *p, enum pool_reason reason);
/* A browser made its first page. */
void pool_note_started(struct pool *p);
void pool_note_lease_over(struct pool *p, int64_t lasted_ms);

/* Refuses everybody who waits, lets the leases run (at most patience_ms when that is >= 0), ends
 * the browsers, ends the loop. May be called again with less patience. */
void pool_stop(struct pool *p, int64_t patience_ms);
void pool_set_paused(struct pool *p, bool paused);
/* Lent or waiting; NULL when there is none with this id. */
struct pool_lease *pool_find_lease(const struct pool *p, int64_t id);

struct context *pool_warm_context(const struct pool *p); /* NULL: none */
/* One more browser, if there may be one more now and no other is starting. */
void pool_start_browser(struct pool *p);
unsigned pool_browser_count(const struct pool *p); /* all states */
unsigned pool_context_count(const struct pool *p); /* all states */
/* At most so many are made in one browser: they are shared out evenly. */
int64_t pool_pages_of_one(const struct pool *p);
/* How long somebody who was refused should stay away. */
int64_t pool_retry_after_ms(const struct pool *p);
/* What to say to somebody who has waited in vain. */
enum pool_reason pool_why_no_page(const struct pool *p);
