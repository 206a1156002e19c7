/*
 * live_message.h - what a client says on the live channel (live.h), as it comes from outside.
 */
#pragma once

#include <stddef.h>

#include "jobmsg.h"

enum live_message_type { LIVE_SUBSCRIBE, LIVE_PING };

struct live_message {
	enum live_message_type type;
	char job[ID_LEN + 1];	 /* LIVE_SUBSCRIBE */
	struct job_version have; /* … the newest that the client has; { -1, -1 }: none */
};

struct live_refusal {
	const char *code;
	const char *detail;
};

/* NULL: it was understood, and ret holds it. Else why not. */
const struct live_refusal *live_message_parse(const char *text, size_t len,
					      struct live_message *ret);
