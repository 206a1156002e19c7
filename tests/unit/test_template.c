#include "cmocka_all.h"

#include <errno.h>

#include "assignment.h"
#include "mem.h"
#include "template.h"

static const char sheet[] =
	"{\"ok\":true,\"title\":\"Tutorial 2\",\"course\":{\"id\":1,\"name\":\"MA 1\"},"
	"\"url\":\"https://m.example/mod/assign/view.php?id=4\",\"due\":1795651140,"
	"\"due_text\":\"25 Nov\",\"lang\":\"en\",\"truncated\":true,"
	"\"attachments\":[{\"name\":\"a.pdf\",\"url\":\"https://m.example/a.pdf\"},"
	"{\"name\":\"bad\",\"url\":\"javascript:x\"},{\"name\":\"\",\"url\":\"https://x/\"},7],"
	"\"blocks\":[{\"type\":\"heading\",\"level\":5,\"runs\":[{\"t\":\"Five\"}]},"
	"{\"type\":\"heading\",\"level\":2,\"runs\":[{\"t\":\"Two\"}]},"
	"{\"type\":\"heading\",\"level\":6,\"runs\":[{\"t\":\"Six\"}]},"
	"{\"type\":\"heading\",\"level\":4,\"runs\":[{\"t\":\"Four\"}]},"
	"{\"type\":\"list\",\"ordered\":true,\"items\":[{\"runs\":[{\"t\":\"Why?\"}]},"
	"{\"runs\":[{\"t\":\"Prove it.\"}]}]}]}";

static void fill(const char *json, const char *name, struct document *d)
{
	const struct template_student student = {name, "17"};
	json_t *answer = json_loads(json, 0, NULL);
	struct assignment a;

	assert_non_null(answer);
	assert_int_equal(assignment_parse(answer, &a, NULL), 0);
	template_fill(&a, &student, d);
	assignment_done(&a);
	json_decref(answer);
}

/* The document as lines "type level text", for strstr(). */
static char *outline(const struct document *d)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < d->blocks.count; i++) {
		const struct block *block = &d->blocks.at[i];

		buf_printf(&out, "%s %d ", block_type_names[block->type], block->level);
		runs_to_text(&block->runs, &out);
		buf_add_char(&out, '\n');
	}
	return buf_take(&out);
}

static void the_head_has_the_facts(void **state)
{
	CLEANUP(document_done) struct document d = {0};
	CLEANUP(buf_done) struct buf due = BUF_INIT;
	const struct table *t;

	(void)state;
	fill(sheet, "Asha", &d);
	assert_string_equal(d.title, "Tutorial 2");
	assert_string_equal(d.course, "MA 1");
	assert_false(d.ai_assisted);
	assert_int_equal(d.blocks.at[0].type, BLOCK_TABLE);
	t = &d.blocks.at[0].table;
	assert_true(t->has_labels);
	assert_string_equal(table_cell(t, 2, 1)->at[0].text, "Asha");
	assert_string_equal(table_cell(t, 3, 1)->at[0].text, "17");
	assert_string_equal(table_cell(t, 1, 1)->at[0].href, d.url);
	runs_to_text(table_cell(t, 4, 1), &due);
	assert_string_equal(due.data, "25 Nov (Wed 25 November 2026, 23:59 UTC)");
	assert_int_equal(d.blocks.at[1].type, BLOCK_CALLOUT);
}

static void an_unknown_name_is_a_place_to_fill(void **state)
{
	CLEANUP(document_done) struct document with = {0};
	CLEANUP(document_done) struct document without = {0};

	(void)state;
	fill(sheet, "Asha", &with);
	fill(sheet, NULL, &without);
	assert_int_equal(table_cell(&with.blocks.at[0].table, 2, 1)->at[0].signs, 0);
	assert_int_equal(table_cell(&without.blocks.at[0].table, 2, 1)->at[0].signs, RUN_TODO);
}

static void no_heading_level_is_skipped(void **state)
{
	CLEANUP(document_done) struct document d = {0};
	int before = 1;

	(void)state;
	fill(sheet, "", &d);
	for (size_t i = 0; i < d.blocks.count; i++) {
		if (d.blocks.at[i].type != BLOCK_HEADING)
			continue;
		assert_in_range(d.blocks.at[i].level, 1, before + 1);
		before = d.blocks.at[i].level;
	}
}

static void questions_of_the_sheet_become_places_for_answers(void **state)
{
	CLEANUP(document_done) struct document d = {0};
	CLEANUP_FREE char *lines = NULL;

	(void)state;
	fill(sheet, "", &d);
	lines = outline(&d);
	assert_non_null(
		strstr(lines, "heading 2 Five\nheading 2 Two\nheading 3 Six\nheading 3 Four\n"));
	assert_non_null(strstr(lines, "heading 2 Question 1\nquote 0 Why?\n"
				      "paragraph 0 [Your answer]\nheading 2 Question 2\n"
				      "quote 0 Prove it.\n"));
	assert_null(strstr(lines, "Question 3"));
	assert_non_null(strstr(lines, "is longer than what is shown here"));
	assert_non_null(strstr(lines, "heading 1 Before you submit\nlist"));
}

static void only_usable_files_are_listed(void **state)
{
	json_t *answer = json_loads(sheet, 0, NULL);
	struct assignment a;

	(void)state;
	assert_int_equal(assignment_parse(answer, &a, NULL), 0);
	json_decref(answer);
	assert_int_equal(a.file_count, 1);
	assert_string_equal(a.files[0].name, "a.pdf");
	assignment_done(&a);
}

static void the_barest_answer_still_makes_a_draft(void **state)
{
	CLEANUP(document_done) struct document d = {0};
	CLEANUP_FREE char *lines = NULL;

	(void)state;
	fill("{\"title\":\"\",\"blocks\":[],\"due\":null,\"course\":null,\"url\":7}", NULL, &d);
	lines = outline(&d);
	assert_string_equal(d.title, "Assignment");
	assert_non_null(strstr(lines, "Moodle shows no description"));
	assert_non_null(strstr(lines, "heading 1 Introduction\n"));
	assert_null(strstr(lines, "Read it on Moodle"));
}

static void answers_of_another_form_are_refused(void **state)
{
	static const char *const bad[] = {"{}", "[]", "{\"title\":1,\"blocks\":[]}",
					  "{\"title\":\"x\"}", "{\"title\":\"x\",\"blocks\":[1]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *answer = json_loads(bad[i], 0, NULL);
		struct error err = {0};
		struct assignment a;

		assert_int_equal(assignment_parse(answer, &a, &err), -EBADMSG);
		assert_string_not_equal(err.text, "");
		json_decref(answer);
	}
}

static void absurd_dates_are_no_dates(void **state)
{
	static const char *const cases[] = {"-5", "1e300", "\"x\"", "null", "0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *json =
			mem_printf("{\"title\":\"x\",\"blocks\":[],\"due\":%s}", cases[i]);
		json_t *answer = json_loads(json, 0, NULL);
		struct assignment a;

		assert_int_equal(assignment_parse(answer, &a, NULL), 0);
		assert_int_equal(a.due, 0);
		assignment_done(&a);
		json_decref(answer);
	}
}

static void the_words_decide_the_kind(void **state)
{
	static const struct {
		const char *title, *text;
		enum template_kind kind;
	} cases[] = {
		{"Lab 3: Ohm's law", "", TEMPLATE_LAB},
		{"LAB3", "", TEMPLATE_LAB},
		{"Label the diagram", "", TEMPLATE_GENERIC},
		{"Collaboration", "", TEMPLATE_GENERIC},
		{"Experiment No. 5", "essay", TEMPLATE_LAB},
		{"Homework 2", "Write an essay on trade.", TEMPLATE_ESSAY},
		{"Homework 2", "Answer the following", TEMPLATE_QUESTIONS},
		{"Theory assignment", "", TEMPLATE_QUESTIONS},
		{"Project", "", TEMPLATE_GENERIC},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct assignment a = {.title = mem_strdup(cases[i].title)};

		runs_add(&blocks_add(&a.description, BLOCK_PARAGRAPH, NULL)->runs, cases[i].text, 0,
			 NULL);
		assert_int_equal(template_guess_kind(&a), cases[i].kind);
		assignment_done(&a);
	}
}

static void the_same_input_gives_the_same_document(void **state)
{
	CLEANUP(document_done) struct document one = {0};
	CLEANUP(document_done) struct document two = {0};
	CLEANUP(buf_done) struct buf a = BUF_INIT;
	CLEANUP(buf_done) struct buf b = BUF_INIT;

	(void)state;
	fill(sheet, "Asha", &one);
	fill(sheet, "Asha", &two);
	document_canonical(&one, &a);
	document_canonical(&two, &b);
	assert_string_equal(a.data, b.data);
}

static void times_are_english_and_utc(void **state)
{
	char text[TEMPLATE_TIME_SIZE];

	(void)state;
	template_format_time(1795651140, text);
	assert_string_equal(text, "Wed 25 November 2026, 23:59 UTC");
	template_format_time(253402300799, text);
	assert_string_equal(text, "Fri 31 December 9999, 23:59 UTC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_has_the_facts),
		cmocka_unit_test(an_unknown_name_is_a_place_to_fill),
		cmocka_unit_test(no_heading_level_is_skipped),
		cmocka_unit_test(questions_of_the_sheet_become_places_for_answers),
		cmocka_unit_test(only_usable_files_are_listed),
		cmocka_unit_test(the_barest_answer_still_makes_a_draft),
		cmocka_unit_test(answers_of_another_form_are_refused),
		cmocka_unit_test(absurd_dates_are_no_dates),
		cmocka_unit_test(the_words_decide_the_kind),
		cmocka_unit_test(the_same_input_gives_the_same_document),
		cmocka_unit_test(times_are_english_and_utc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
