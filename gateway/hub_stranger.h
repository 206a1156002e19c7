/*
 * hub_stranger.h - jobs that begin and that this gateway has not heard of: made through another
 * gateway, perhaps for somebody whose page is open here. Asks PostgreSQL whose they are, many at
 * once.
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

struct strangers;

struct strangers *strangers_new(struct gateway *g);
void strangers_free(struct strangers *s); /* after pgloop_close() */

/* An event of a job that nobody here watches. What is no job's beginning is passed over. */
void strangers_look_at(struct strangers *s, const struct job_event *ev);
