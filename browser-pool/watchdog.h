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
 *	page_oom	that process has as much for itself as a page may have, or 384 MiB
 *	flood		it says not a word for a second and a half, though it works
 *
 * Then the page process is killed for which the kernel worked by far the most in the last two to four
 * seconds: what it sends to its browser, or makes for it, takes system calls and memory that is new;
 * what others compute does not. When it has ended meanwhile, or none stands out, nobody is killed:
 * better that a browser dies, and its leases end with browser_gone, than that one ends for another.
 *
 * What the dead one has begun its browser goes on to do, for seconds. Until that neither grows nor is
 * late any more nobody else is killed for it, and so a second page that does the same meanwhile is
 * found only when the browser lives on. Where what Chromium needs for what it was asked is too much
 * (a database that is opened takes the page 20 µs and the browser 130 KiB and 0.7 ms), it dies.
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
