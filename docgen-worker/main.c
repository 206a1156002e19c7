/*
 * pensum-docgen-worker: reads an assignment's page and writes a draft document for it.
 */
#include "worker.h"

#include "job_document.h"
#include "mem.h"
#include "store.h"

static const struct work_kind kinds[] = {
	{ JOB_DOCUMENT, job_document },
};

static int check_start(const struct settings *s, struct error *err)
{
	int r = worker_check_start(s, err);

	return r == 0 ? store_check(s, err) : r;
}

int main(int argc, char **argv)
{
	const struct worker_program program = {
		.program = { .name = "pensum-docgen-worker",
			     .summary = "writes a draft document for an assignment",
			     .needs_site = true,
			     .check_start = check_start },
		.queue = JOB_QUEUE_DOCGEN,
		.kinds = kinds,
		.kind_count = ARRAY_LEN(kinds),
	};

	return worker_main(&program, argc, argv);
}
