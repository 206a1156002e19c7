/*
 * entry.h - an entry of a job stream: which job, and which attempt of it, was rung for.
 */
#pragma once

#include <stdbool.h>

#include "jobmsg.h"
#include "keys.h"
#include "redis.h"

struct entry {
	char stream[KEY_SIZE];
	char id[64];	      /* of the stream entry */
	char job[ID_LEN + 1]; /* "": it was deleted (a ghost), or it is malformed */
	char attempt[16];
};

/* Out of [stream, [[entry id, [j, id, a, attempt]], …]]: the first one. False: none. */
bool entry_read(const struct redis_reply *stream, struct entry *out);
