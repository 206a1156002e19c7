/*
 * jobs.h - jobs by the pool: main.c's commands of `client jobs`.
 */
#pragma once

struct plan {
	const char *socket, *url, *sign_in, *fetch;
	long expected;
};

void jobs_run(const struct plan *plan); /* until standard input ends */
