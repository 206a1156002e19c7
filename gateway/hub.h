/*
 * hub.h - who watches which job, and the newest event of each job that somebody watches.
 *
 *	client (a live channel) --subscription, last version sent--> topic (a job, its newest event)
 *
 * No gap and no duplicate, with neither epochs nor buffers: a topic is registered before its
 * snapshot is read, both the event feed and the snapshot only ever raise the topic's version
 * (jobmsg.h), and a subscriber gets what is newer than what it got. A topic is read again
 *	- when the feed has lost its place (Redis was away, restarted, flushed, trimmed),
 *	- every second while Redis is away: PostgreSQL knows the states,
 *	- every 10 s in any case, against events that nobody could write.
 *
 * Terminal events are sent as they come: a worker publishes after its commit, and an attempt that
 * lost its claim cannot commit. A subscription ends with the terminal event.
 *
 * Ownership: a job is seen by the browser whose session asked for it (sign-in jobs) or by every
 * signed-in browser of its user. For all others it does not exist ("gone").
 */
#pragma once

#include "gateway.h"
#include "http.h"
#include "live_frame.h"

#define HUB_SUBSCRIPTIONS_MAX 64

struct hub;
struct hub_client;

struct hub_client_ops {
	/* job NULL: no event. replaceable: a newer event of the same job may take its place. */
	void (*send)(void *arg, struct live_frame *frame, const char *job, bool replaceable);
	void (*signed_in)(void *arg); /* its pending session is active */
	void (*close)(void *arg, int code, const char *reason);
};

struct hub *hub_new(struct gateway *g);
void hub_feed_up(struct hub *h, bool up); /* the connection g->redis_events came or went */
void hub_free(struct hub *h);		  /* after pgloop_close() and redisloop_close() */

/* For the API. Other gateways find a new job by its first event (hub_stranger.h), and the end of a
 * session within 20 s. */
/* After the commit: the user's open channels (session_hash: that browser's) get its events. */
void hub_job_created(struct hub *h, const char *job_id, const char *user_id,
		     const char *session_hash);
/* After a sign-out: its channels are closed with 4401. */
void hub_session_ended(struct hub *h, const char *token_hash);

/* For live channels. ops and arg are borrowed until hub_leave(). */
struct hub_client *hub_join(struct hub *h, const struct session *s,
			    const struct hub_client_ops *ops, void *arg);
void hub_leave(struct hub_client *c);
const struct session *hub_client_session(const struct hub_client *c);
/* Subscribes to all of the client's jobs that have not ended (pending: to its sign-in). */
void hub_subscribe_own(struct hub_client *c);
/* have: the newest version that the client has, { -1, -1 } for none. -ENOSPC: too many. */
int hub_subscribe(struct hub_client *c, const char *job_id, struct job_version have);
size_t hub_client_count(const struct hub *h, const char *user_id);
