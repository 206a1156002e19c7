/*
 * pensum-checker-worker: signs students in to Moodle, reads their courses, and checks which
 * assignments are not submitted.
 */
#include "worker.h"

#include "jobs.h"
#include "mem.h"
#include "recipe.h"

static const struct work_kind kinds[] = {
	{ JOB_SIGNIN, job_signin },
	{ JOB_COURSES, job_courses },
	{ JOB_CHECK, job_check },
	{ JOB_SIGNOUT, job_signout },
};

static int check_recipes(const struct settings *s, struct error *err)
{
	for (size_t i = 0; i < sites_count(s); i++) {
		CLEANUP(recipe_done) struct recipe recipe = RECIPE_INIT;
		const struct site *site = sites_at(s, i);

		if (site->recipe[0] != '\0' && recipe_read(site->recipe, &recipe, err) < 0)
			return error_prefix(err, "recipe of the site \"%s\"", site->id);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct worker_program program = {
		.program = { .name = "pensum-checker-worker",
			     .summary = "signs in to Moodle, lists courses, checks assignments",
			     .needs_site = true,
			     .check = check_recipes,
			     .check_start = worker_check_start },
		.queue = JOB_QUEUE_CHECKER,
		.kinds = kinds,
		.kind_count = ARRAY_LEN(kinds),
	};

	return worker_main(&program, argc, argv);
}
