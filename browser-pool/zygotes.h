/*
 * zygotes.h - does a browser still have its zygotes?
 *
 * All other processes of a Chromium are copies of one of two zygotes, which it never starts again.
 * Without the one it gets no pages any more; without the other pages come as ever, but a GPU or
 * network process that crashes stays away. Chromium tells of neither.
 *
 * A page's process looks like a zygote until it knows what it is, so only who was one in two looks
 * is one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ZYGOTES_MAX 4

struct processes;

struct zygotes {
	struct zygote {
		pid_t pid; /* 0: none */
		uint64_t start_ticks;
		bool known; /* seen twice */
	} all[ZYGOTES_MAX];
};

/* After a refresh: whether one is gone since the last look. */
bool zygotes_look(struct zygotes *z, const struct processes *all, pid_t leader);
