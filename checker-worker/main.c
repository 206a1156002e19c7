/*
 * pensum-checker-worker: signs students in to Moodle, reads their courses, and checks which
 * assignments are not submitted.
 */
#include "worker.h"

#include "jobs.h"
#include "mem.h"

static const struct work_kind kinds[] = {
	{ JOB_SIGNIN, job_signin },
	{ JOB_COURSES, job_courses },
	{ JOB_CHECK, job_check },
	{ JOB_SIGNOUT, job_signout },
};

int main(int argc, char **argv)
{
	const struct worker_program program = {
		.program = { .name = "pensum-checker-worker",
			     .summary = "signs in to Moodle, lists courses, checks assignments",
			     .needs_site = true },
		.queue = JOB_QUEUE_CHECKER,
		.kinds = kinds,
		.kind_count = ARRAY_LEN(kinds),
	};

	return worker_main(&program, argc, argv);
}
