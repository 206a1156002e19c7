/*
 * live_frame.h - one text message of the live channel, shared by all channels that get it.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#define LIVE_FRAME_HEAD 32 /* room before the text for the transport's header */

struct live_frame {
	unsigned refs;
	size_t len;
	unsigned char *text; /* LIVE_FRAME_HEAD bytes stand before it */
};

struct live_frame *live_frame_new(json_t *json); /* json is taken; one reference is yours */
struct live_frame *live_frame_ref(struct live_frame *f);
void live_frame_unref(struct live_frame *f); /* NULL is fine */
