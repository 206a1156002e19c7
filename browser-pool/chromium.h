/*
 * chromium.h - how a Chromium is started: its command line and its environment.
 *
 * The binary itself is executed, not Debian's wrapper. The flags were measured on
 * chromium-headless-shell 156: no graphics and no traffic of its own, nothing throttled in the
 * background, crash reporter off, one merged list of disabled features (only the last one counts).
 */
#pragma once

#include "settings.h"

struct chromium_plan {
	char **argv, **envp; /* NULL-ended */
};

/* heap_mb is for the scripts of one page; profile is its own folder: home, profile and temporary
 * files. */
void chromium_plan_init(struct chromium_plan *plan, const struct settings *s, int64_t heap_mb,
			const char *profile);
void chromium_plan_done(struct chromium_plan *plan);
