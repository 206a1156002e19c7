/*
 * pensum-bench-worker: the checker's queue with checks that do nothing; with BENCH_QUEUE=docgen,
 * documents that do nothing.
 *
 * With BENCH_STARTS each start is a line of that file: job, attempt, nanoseconds of
 * CLOCK_MONOTONIC. A check whose first course is called "hang" does not end, in its first attempt.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "worker.h"

#define HANG_TICK_MS 20

static void tell_start(const struct work *w)
{
	static int fd = -1;
	const char *file = getenv("BENCH_STARTS");
	struct timespec t;
	char line[96];
	int len;

	if (file == NULL)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (fd < 0)
		fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	len = snprintf(line, sizeof(line), "%s %d %lld\n", w->id, w->attempt,
		       (long long)t.tv_sec * 1000000000 + t.tv_nsec);
	if (write(fd, line, (size_t)len) != len)
		abort();
}

static bool is_to_hang(const struct work *w)
{
	const json_t *course = json_array_get(json_object_get(w->input, "courses"), 0);
	const char *name = json_string_value(json_object_get(course, "name"));

	return w->attempt == 1 && name != NULL && strcmp(name, "hang") == 0;
}

static int do_nothing(struct work *w)
{
	tell_start(w);
	while (is_to_hang(w) && work_tick(w) == 0)
		clock_sleep_ms(HANG_TICK_MS);
	return 0;
}

static const struct work_kind kinds[] = {
	{ JOB_CHECK, do_nothing },
	{ JOB_DOCUMENT, do_nothing },
};

int main(int argc, char **argv)
{
	const char *queue = getenv("BENCH_QUEUE");
	const struct worker_program program = {
		.program = { .name = "pensum-bench-worker",
			     .summary = "checks that do nothing, to be measured",
			     .needs_site = true },
		.queue = queue != NULL && strcmp(queue, "docgen") == 0 ? JOB_QUEUE_DOCGEN
								       : JOB_QUEUE_CHECKER,
		.kinds = kinds,
		.kind_count = ARRAY_LEN(kinds),
	};

	return worker_main(&program, argc, argv);
}
