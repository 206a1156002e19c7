/*
 * housekeeping.h - what the gateway does by the clock, so that no job is lost and nothing stays.
 *
 *	every 1 s	watches pensum.workers: a worker whose beat stands still for 12 s of this
 *			loop's own turning is gone, and its jobs go back (jobs_release_worker)
 *	every 3 s	looks whether PostgreSQL's clock was put back (clock_watch)
 *	every 60 s	fails sign-ins and sign-outs that have not ended in 10 minutes, with their
 *			secrets; deletes what is old of the audit trail and the turns, and calendar
 *			links that nothing reads; tells PostgreSQL what each site bears (sites_set)
 *	every 10 min	one of all gateways deletes what has expired (cleanup.h)
 *
 * Ringing for jobs is the feeder's (feeder.h).
 * Any number of gateways may run it: each step is one statement that does a thing once.
 */
#pragma once

struct gateway;
struct housekeeping;

struct housekeeping *housekeeping_start(struct gateway *g);
/* Before the gateway's pgloop is freed; queries in flight end without effect here. */
void housekeeping_stop(struct housekeeping *h); /* NULL is fine */
