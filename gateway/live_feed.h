/*
 * live_feed.h - the tail of pensum:events, read by one blocking XREAD on a connection of its own.
 *
 *	OFF -> PLACING (finds the newest entry's id) -> TAILING (XREAD from there on)
 *	any -> OFF when the connection goes
 *
 * Reaching TAILING means a gap: whatever was written before is not known. A stream that was trimmed
 * past our place, or flushed, leads back to PLACING.
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

struct live_feed;

struct live_feed_ops {
	void (*event)(void *arg, const struct job_event *ev);
	void (*gap)(void *arg); /* from here on all events come; those before may be lost */
};

struct live_feed *live_feed_new(struct gateway *g, const struct live_feed_ops *ops, void *arg);
void live_feed_up(struct live_feed *f, bool up);
bool live_feed_is_tailing(const struct live_feed *f);
void live_feed_free(struct live_feed *f); /* after redisloop_close() of its connection */
