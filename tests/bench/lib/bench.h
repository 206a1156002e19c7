/*
 * bench.h - what the bench's programs in C share: how they give up, the clock, the students' cookies.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_COOKIES 20000

/* Says "error …" on both outputs and ends the program; a child's copies of buffers are not written. */
static inline void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("error %s\n", text);
	fflush(stdout);
	fprintf(stderr, "error %s\n", text);
	_exit(1);
}

static inline long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double now_us(void)
{
	return (double)now_ns() / 1e3;
}

/* The lines of the file, for good. At most MAX_COOKIES. */
static inline size_t read_cookies(const char *path, char *cookies[MAX_COOKIES])
{
	FILE *f = fopen(path, "r");
	char line[256];
	size_t count = 0;

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	while (count < MAX_COOKIES && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		cookies[count++] = strdup(line);
	}
	fclose(f);
	return count;
}
