/*
 * fake_chromium.h - the other end of a browser's pipe, for fuzz targets: answers what the pool asks
 * while it makes, lists and disposes pages, and checks every message that gets so far.
 *
 * There is one at a time. It takes the place of child_spawn() and of all else that has to do with a
 * process or a folder (the linker wraps them), so that browser.c starts it like any browser.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct fake_chromium {
	int fd;
	struct buf in;	    /* what the pool sent and was not looked at yet */
	unsigned last_name; /* of sessions, targets and contexts */
	bool answers_all;   /* with {}, what is not known here */
	int64_t open_id;    /* of the last call that was not answered */
	char open_session[64];
	unsigned target_count;
	struct {
		char id[16], context[16];
	} targets[64];
};

extern struct fake_chromium fake_chromium;

void fake_chromium_reset(void);
/* What the pool sent: looked at and answered. False when there was nothing. */
bool fake_chromium_turn(void);
void fake_chromium_send(const char *text, size_t len, bool with_end);
void fake_chromium_close(void);
