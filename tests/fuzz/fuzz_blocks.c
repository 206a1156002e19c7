/*
 * What the browser's page answers, on its way to a Word file. The input is the script's answer as
 * JSON; when it is no JSON, its bytes are text, an address and a picture all the same.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "assignment.h"
#include "base64.h"
#include "clean.h"
#include "docx.h"
#include "href.h"
#include "mem.h"
#include "template.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* What was read once is read again as the same. */
static void check_round_trip(const struct blocks *b)
{
	CLEANUP(blocks_done) struct blocks again = BLOCKS_INIT;
	json_t *json = blocks_to_json(b), *second;
	bool truncated = false;

	expect(blocks_parse(json, &again, &truncated, NULL) == 0);
	second = blocks_to_json(&again);
	expect(truncated || json_equal(json, second));
	json_decref(json);
	json_decref(second);
}

static void write_document(const struct assignment *a)
{
	const struct template_student student = {a->due_text, a->course};
	CLEANUP(document_done) struct document d = {0};
	CLEANUP(buf_done) struct buf out = BUF_INIT;
	CLEANUP_FREE char *name = docx_file_name(a->course, a->title);

	expect(strlen(name) <= DOCX_FILE_NAME_MAX && text_is_utf8(name, strlen(name)));
	expect(strpbrk(name, "/\\:*?\"<>|") == NULL);
	template_fill(a, &student, &d);
	docx_write(&d, a->due, &out);
	buf_clear(&out);
	document_canonical(&d, &out);
	expect(text_is_utf8(out.data, out.len));
}

static void take_answer(const json_t *answer)
{
	struct assignment a;

	if (assignment_parse(answer, &a, NULL) < 0)
		return;
	check_round_trip(&a.description);
	write_document(&a);
	assignment_done(&a);
}

static void take_bytes(const char *bytes, size_t len)
{
	CLEANUP_FREE char *text = mem_strndup(bytes, len);
	CLEANUP(document_done) struct document d;
	CLEANUP(buf_done) struct buf out = BUF_INIT;
	CLEANUP(buf_done) struct buf again = BUF_INIT;

	document_init(&d);
	runs_add_bytes(&blocks_add(&d.blocks, BLOCK_QUOTE, text)->runs, bytes, len, 0, text);
	buf_add(&blocks_add(&d.blocks, BLOCK_IMAGE, text)->image.data, bytes, len);
	base64_decode(bytes, len, &d.blocks.at[1].image.data);
	docx_write(&d, 0, &out);
	buf_clear(&out);
	clean_text(&out, bytes, len);
	clean_text(&again, out.data, out.len);
	expect(strcmp(out.data, again.data) == 0 && text_is_utf8(out.data, out.len));
	buf_clear(&out);
	buf_clear(&again);
	expect(!href_clean(text, &out) || (href_clean(out.data, &again) && out.len == again.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *answer = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);

	if (answer)
		take_answer(answer);
	else
		take_bytes((const char *)data, size);
	json_decref(answer);
	return 0;
}
