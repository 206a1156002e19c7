/*
 * watchdog.h - a page that takes too much memory dies, alone, and its lease hears why.
 *
 * Four times a second while there are pages (and more often while one is large or grows fast) every
 * page process is measured (measures.h). One over pool.page_memory_mb is killed. V8's limit on
 * objects and the kernel's on all data (256 MiB above it, see child.h) may be reached first;
 * Chromium reports all these ends as a crash. And when the machine has less than half of the memory
 * that it should always have (memory.h), the largest page process is killed, unless that would not
 * help.
 *
 * What pages make their browser keep for them (blobs, databases), or do, is in the browser's first
 * process, and not to be told from others' there:
 *
 *	page_oom	that process has as much for itself as a page may have, or 384 MiB, and
 *	flood		it says not a word for a second and a half, though it works:
 *
 * then a page process is killed: for the first the one that began to use the most memory (what it
 * sends to its browser it has made before), if that is 64 MiB a second, or else, and for the second,
 * the one that worked most, if it worked a quarter of the time (or however little, when the browser is
 * half way from its pages' limit to the kernel's: all would die with it). The next one follows not
 * before three seconds, and only for what came after that; so near to death, whoever is known by the
 * memory follows at once.
 *
 * Chromium tells whose page a dead process was, but not why it died. The last measurement does.
 */
#pragma once

#include <sys/types.h>

#include "poolmsg.h"

struct browser;
struct pool;
struct watchdog;

struct watchdog *watchdog_new(struct pool *p);
void watchdog_free(struct watchdog *w);

/* There may be pages now. */
void watchdog_wake(struct watchdog *w);

/* This page process of b; 0: not known, then that which worked most, of those that are not known to be
 * somebody's. Its death is not to be explained any more. */
void watchdog_kill(struct watchdog *w, struct browser *b, pid_t pid, const char *why);

/* A page process of b has died: why? Each death is explained once; page_crashed: not known. */
enum pool_reason watchdog_explain(struct watchdog *w, const struct browser *b);
