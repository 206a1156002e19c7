/*
 * watchdog.h - a page that takes too much memory dies, alone, and its lease hears why.
 *
 * Four times a second while there are pages (and more often while one is large) every page process
 * is measured: what it has for itself, that is without files and shared memory. One over
 * pool.page_memory_mb is killed. V8's limit on objects and the kernel's on all data (256 MiB
 * above it, see child.h) may be reached first; Chromium reports all these ends as a crash.
 * And when the machine has less than half of the memory that it should always have (memory.h), the
 * largest page process is killed, unless that would not help.
 *
 * What a page makes its browser keep for it (blobs), or do (workers to start), is in the browser's
 * first process, and not to be told from others' there: when that process has twice what a page may
 * have, or 384 MiB, the page process that worked most since the last look is killed.
 *
 * Chromium tells whose page a dead process was, but not why it died. The last measurement does.
 */
#pragma once

#include <stdbool.h>

struct browser;
struct pool;
struct watchdog;

struct watchdog *watchdog_new(struct pool *p);
void watchdog_free(struct watchdog *w);

/* There may be pages now. */
void watchdog_wake(struct watchdog *w);

/* A page process of b has died: was that because of memory? Answers true once for each that did. */
bool watchdog_explains(struct watchdog *w, const struct browser *b);
