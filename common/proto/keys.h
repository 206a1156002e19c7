/*
 * keys.h - every name that Pensum uses in Redis. All other keys there are somebody else's.
 *
 *	pensum:jobs:<queue>:<priority>	stream, group "workers"; entries {j: job id, a: attempt}; no TTL
 *	pensum:events			stream, capped; entries are job events (jobmsg.h); no TTL
 *	pensum:job:<id>			hash, the newest event of a live job; TTL
 *	pensum:session:<hash>		string, JSON of a signed-in browser; ends half an hour after its last use
 *	pensum:moodle:<user>		string, sealed Moodle session with its verifier; expires with it
 *	pensum:courses:<user>		string, the gateway's answer to GET /api/v1/courses; expires with the
 *					list, and when it gets old; an hour later at most; empty for some
 *					seconds after something in it has changed
 *	pensum:pause:<site>		string, the site wants to be left alone; TTL (common/worker/site.h)
 *	pensum:pace:<site>		string, until when its requests are taken, µs; TTL (common/worker/pace.h)
 *	pensum:noservice:<site>		string, it has said that it offers no web service; TTL (checker-worker/service.h)
 *	pensum:lock:<name>		string, its taker's token; TTL (gateway/lock.h)
 *	pensum:signin:<user>		string, which sign-in has its turn; TTL (checker-worker/flight.h)
 *	pensum:limit:<kind>:<who>	string, when a rate is free again; TTL (gateway/rate.h)
 */
#pragma once

#include "buf.h"
#include "jobmsg.h"

#define KEY_EVENTS	   "pensum:events"
#define KEY_GROUP	   "workers"
#define KEY_EVENTS_MAXLEN  20000
#define KEY_JOB_TTL_S	   600
#define KEY_COURSES_TTL_S  3600
#define KEY_COURSES_OLD_S  60	/* of a list that is to be read anew */
#define KEY_CHANGED_S	   "10" /* no answer that was asked for before a change is kept behind it */
#define KEY_SIZE	   128 /* every key fits */

void key_job_stream(char out[KEY_SIZE], enum job_queue queue, enum job_priority priority);
void key_job(char out[KEY_SIZE], const char *job_id);
void key_session(char out[KEY_SIZE], const char *token_hash);
void key_moodle(char out[KEY_SIZE], const char *user_id);
void key_signin(char out[KEY_SIZE], const char *user_id);
void key_lock(char out[KEY_SIZE], const char *name);
void key_limit(char out[KEY_SIZE], const char *kind, const char *who);
void key_courses(char out[KEY_SIZE], const char *user_id);
void key_pause(char out[KEY_SIZE], const char *site);
void key_pace(char out[KEY_SIZE], const char *site);
void key_no_service(char out[KEY_SIZE], const char *site);
