/*
 * options.h - the command line that all programs share.
 *
 *	--config FILE  --check-config  --print-config  --version  --help
 *
 * and a program's own flags. options_start() reads the command line and the settings:
 *
 *	struct settings s;
 *	int done = options_start(&program, argc, argv, &s);
 *	if (done >= 0)
 *		return done;	(nothing left to free)
 *
 * Exit codes: 0 done, 2 wrong command line, 78 wrong settings (the sentence is on stderr). systemd knows
 * both by name, and does not start again what ended so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

extern const char pensum_version[]; /* from git describe */

struct option_flag {
	const char *name; /* "--migrate" */
	bool *value;
	const char *help;
};

struct program {
	const char *name;    /* "pensum-gateway" */
	const char *summary; /* one sentence */
	const struct option_flag *flags;
	size_t flag_count;
	bool needs_site; /* without a Moodle site it does not start */
	/* What only this program can say about its settings, also with --check-config; may be NULL. */
	int (*check)(const struct settings *s, struct error *err);
	/* Only with --check-config: whether what it opens at its start could be opened; changes nothing. At the
	 * start itself some of it may only not be there yet. May be NULL. */
	int (*check_start)(const struct settings *s, struct error *err);
};

/* -1: go on, s is loaded and yours to settings_done(); else the exit code. */
int options_start(const struct program *p, int argc, char **argv, struct settings *s);

/* The exit code of a program that cannot start, by the reason's errno: a value that cannot be (-EINVAL) will
 * not be right the next time, what is away may. */
int options_exit_code(int r);

/* The settings again, from the file and the environment that options_start() read. On success ret
 * is yours to settings_done(). */
int options_reload(struct settings *ret, struct error *err);
