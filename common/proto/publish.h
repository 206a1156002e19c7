/*
 * publish.h - the one Redis command that publishes a job event.
 *
 * An EVAL that keeps the newest event in pensum:job:<id> (with TTL), appends it to pensum:events, and
 * refuses an event that is not newer than what the hash holds, so that a zombie is silent. Answers 1
 * published, 0 refused.
 */
#pragma once

#include "jobmsg.h"
#include "keys.h"

#define PUBLISH_ARGC (7 + JOB_EVENT_FIELDS * 2)

struct publish_command {
	struct job_event_numbers numbers;
	char hash_key[KEY_SIZE];
	char ttl_s[16], max_events[16];
	const char *argv[PUBLISH_ARGC]; /* into this struct and into the event */
};

/* cmd->argv is valid as long as cmd and ev are, at their places. */
void publish_command(struct publish_command *cmd, const struct job_event *ev);
