/*
 * make_docx [NAME [ROLL]] < answer.json > draft.docx - the whole way of a document, for tests that
 * judge the file with other programs. The answer is one of docgen-worker/scripts/assignment.js.
 */
#include <stdio.h>

#include "assignment.h"
#include "docx.h"
#include "mem.h"
#include "template.h"

#define CREATED 1795348800 /* Sun 22 November 2026, 12:00 UTC */

static void write_draft(const struct assignment *a, const struct template_student *student,
			struct buf *out)
{
	CLEANUP(document_done) struct document d = { 0 };

	template_fill(a, student, &d);
	docx_write(&d, CREATED, out);
}

int main(int argc, char **argv)
{
	const struct template_student student = { argc > 1 ? argv[1] : "",
						  argc > 2 ? argv[2] : "" };
	CLEANUP(buf_done) struct buf file = BUF_INIT;
	json_t *answer = json_loadf(stdin, JSON_ALLOW_NUL, NULL);
	struct assignment a;
	struct error err;
	int r = assignment_parse(answer, &a, &err);

	json_decref(answer);
	if (r < 0) {
		fprintf(stderr, "make_docx: %s\n", err.text);
		return 1;
	}
	write_draft(&a, &student, &file);
	assignment_done(&a);
	return fwrite(file.data, 1, file.len, stdout) == file.len ? 0 : 1;
}
