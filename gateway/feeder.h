/*
 * feeder.h - rings for the jobs whose turn it is (deploy/sql/017_turns.sql).
 *
 * The streams hold a window of hints. It is filled up as soon as a job has ended or has come back
 * to its queue, and every two seconds in any case, against hints and events that were lost. One
 * question is under way at a time: what happens meanwhile is looked at by the next, after a short
 * pause, so that a busy queue is asked for many jobs at once. Several gateways share the work.
 *
 * Without a bell there is nothing to ring: workers ask PostgreSQL by themselves then.
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

struct feeder;

struct feeder *feeder_start(struct gateway *g);
/* Something may have to be rung: at the end of this turn of the loop. NULL: nobody rings (yet). */
void feeder_kick(struct feeder *f);
/* The same, when ev says so. */
void feeder_hear(struct feeder *f, const struct job_event *ev);
void feeder_stop(struct feeder *f); /* is freed when its last answer has come */
