/*
 * bell.h - what rings for a slot: its queue's three streams (keys.h), most urgent first.
 *
 *	bell_attend()		after each new connection: groups are made, entries of the dead become ours
 *	bell_read_own()		what is still pending in our name
 *	bell_read_next()	new entries, one at a time while there are any
 *	bell_forget()		when nothing of an entry is left to be done
 *
 * Reading answers how many entries were read, or an error of redis.h.
 */
#pragma once

#include "entry.h"

#define BELL_ENTRIES JOB_PRIORITY_COUNT

struct bell {
	struct redis *redis; /* borrowed */
	const char *name;    /* the consumer, borrowed */
	int heard; /* of the streams, the first so many are listened to */
	bool told_refused; /* a group could not be made when last tried, which was said */
	char streams[JOB_PRIORITY_COUNT][KEY_SIZE];
};

/* urgent: only to the most urgent stream. What is pending in our name is read from all. */
void bell_init(struct bell *b, struct redis *redis, enum job_queue queue, const char *name,
	       bool urgent);
void bell_attend(struct bell *b);
int bell_read_own(struct bell *b, struct entry out[BELL_ENTRIES], struct error *err);
/* block: waits two seconds for the first one. */
int bell_read_next(struct bell *b, bool block, struct entry out[BELL_ENTRIES], struct error *err);
/* Posts it (redis_post()): it goes out with what the caller asks next. */
void bell_forget(struct bell *b, const struct entry *e);
