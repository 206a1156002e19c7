/*
 * housekeeping_watch.h - which workers have stopped: judged by their beats and our own clock.
 *
 *	watch_begin(w, clock_now_ms());
 *	watch_row(w, name, boot, beat);		for each row of pensum.workers
 *	names = watch_end(w);			JSON array of the silent ones not yet dealt with
 *	watch_mark_released(w, names);		when their jobs have gone back
 *
 * Only time in which we looked regularly counts as silence: after a pause of ours (the database was
 * away, the machine slept) everybody gets the whole WATCH_SILENCE_MS again to be heard.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define WATCH_SILENCE_MS 12000
#define WATCH_GAP_MS	 7000 /* a longer pause between two looks is ours, not the workers' */

struct watch;

struct watch *watch_new(void);
void watch_free(struct watch *w);

void watch_begin(struct watch *w, int64_t now_ms);
void watch_row(struct watch *w, const char *name, const char *boot, int64_t beat);
json_t *watch_end(struct watch *w); /* yours to json_decref(); forgets the rows that are gone */
void watch_mark_released(struct watch *w, const json_t *names);
