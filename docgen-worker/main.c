/*
 * pensum-docgen-worker: reads an assignment's page and writes a draft document for it.
 */
#include "worker.h"

#include "job_document.h"
#include "mem.h"

static const struct work_kind kinds[] = {
	{ JOB_DOCUMENT, job_document },
};

int main(int argc, char **argv)
{
	const struct worker_program program = {
		.program = { .name = "pensum-docgen-worker",
			     .summary = "writes a draft document for an assignment",
			     .needs_site = true },
		.queue = JOB_QUEUE_DOCGEN,
		.kinds = kinds,
		.kind_count = ARRAY_LEN(kinds),
	};

	return worker_main(&program, argc, argv);
}
