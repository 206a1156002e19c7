/*
 * log.h - one logfmt line on stderr per event.
 *
 *	log_info("lease granted", "lease=%u tag=%s", id, tag);
 *	-> time=2026-11-22T04:49:27.646Z level=info prog=browser-pool msg="lease granted" lease=7 …
 *
 * When stderr is the journal, which keeps the time itself, a <N> priority stands in the time's place.
 *
 * A log that takes no more is waited for a second, once; what it has no room for then is lost, and told.
 *
 * Libraries do not log; the program logs each failure once, where it decides what to do about it.
 * No payload, cookie, token or password is ever given to these calls. Control characters are
 * replaced, and a line is cut at 1 KiB, so outside text cannot forge a line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO,
		 LOG_LEVEL_DEBUG };

void log_open(const char *prog, enum log_level level);
bool log_goes_to_journal(void);
void log_set_level(enum log_level level);

/* For a process whose stderr becomes something else: its lines go to fd, where stderr went, and each is
 * then given to copy. */
typedef void log_copy_fn(const char *line, size_t len);
void log_redirect(int fd, log_copy_fn *copy);

/* Appended to every line until changed, e.g. "job=3f…"; "" for none. Copied. */
void log_set_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void log_write(enum log_level level, const char *msg, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(msg, ...)   log_write(LOG_LEVEL_ERROR, msg, __VA_ARGS__)
#define log_warning(msg, ...) log_write(LOG_LEVEL_WARNING, msg, __VA_ARGS__)
#define log_notice(msg, ...)  log_write(LOG_LEVEL_NOTICE, msg, __VA_ARGS__)
#define log_info(msg, ...)    log_write(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define log_debug(msg, ...)   log_write(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
