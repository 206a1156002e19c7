/*
 * housekeeping.h - what the gateway does by the clock, so that no job is lost and nothing stays.
 *
 *	every 2 s	rings jobs that are due and whose bell was never heard (jobs_to_ring)
 *	every 1 s	watches pensum.workers: a worker whose beat stands still for 12 s of this
 *			loop's own turning is gone, and its jobs go back (jobs_release_worker)
 *	every 60 s	fails sign-ins that nobody ran within 10 minutes, with their sealed passwords
 *	every 10 min	one of all gateways deletes what has expired (cleanup.h)
 *
 * Any number of gateways may run it: each step is one statement that does a thing once.
 */
#pragma once

struct gateway;
struct housekeeping;

struct housekeeping *housekeeping_start(struct gateway *g);
/* Before the gateway's pgloop is freed; queries in flight end without effect here. */
void housekeeping_stop(struct housekeeping *h); /* NULL is fine */
