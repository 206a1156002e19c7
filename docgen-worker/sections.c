#include "sections.h"

#include <assert.h>
#include <stdio.h>

#include "clean.h"
#include "mem.h"
#include "text.h"

#define MAX_QUESTIONS	   40
#define MAX_QUESTION_BYTES 400

enum section_form {
	FORM_TEXT,    /* a paragraph to write */
	FORM_BULLETS, /* two items to begin with */
	FORM_STEPS,   /* three numbered steps to begin with */
	FORM_CODE,    /* a place in the font of code */
	FORM_RESULTS, /* an observation table */
};

struct section {
	const char *heading;
	enum section_form form;
	const char *hint; /* in brackets; a | parts the items of a list */
};

static const struct section generic[] = {
	{"Introduction", FORM_TEXT, "[What is asked for, in your own words]"},
	{"Main part", FORM_TEXT, "[Your work. Add headings as the task asks for them]"},
	{"Conclusion", FORM_TEXT, "[What you found, in a few sentences]"},
	{"References", FORM_BULLETS, "[Author, title, year, link]"},
	{0},
};

static const struct section lab[] = {
	{"Aim", FORM_TEXT, "[What this experiment is to show, in one or two sentences]"},
	{"Apparatus", FORM_BULLETS,
	 "[Instrument, software or material]|[Another one, with its version or range]"},
	{"Procedure", FORM_STEPS,
	 "[First step, as you did it]|[Second step]|[Go on until the measurement]"},
	{"Code", FORM_CODE, "[Paste your program, or delete this section]"},
	{"Observations", FORM_RESULTS, NULL},
	{"Result", FORM_TEXT, "[What the observations say, with units and errors]"},
	{"Conclusion", FORM_TEXT, "[Was the aim reached? What limits the result?]"},
	{0},
};

static const struct section essay[] = {
	{"Outline", FORM_STEPS,
	 "[Your main point, in one sentence]|[First argument and its evidence]|"
	 "[Second argument and its evidence]|[The strongest objection, and your answer]"},
	{"Introduction", FORM_TEXT, "[The question, why it matters, and your main point]"},
	{"Main part", FORM_TEXT, "[One paragraph for each argument of the outline]"},
	{"Conclusion", FORM_TEXT, "[What follows from your arguments]"},
	{"References", FORM_BULLETS, "[Author, title, year, link]"},
	{0},
};

static const struct section questions[] = {
	{"References", FORM_BULLETS, "[Author, title, year, link; or delete this section]"},
	{0},
};

static const struct section *const sections_of[TEMPLATE_KIND_COUNT] = {
	[TEMPLATE_GENERIC] = generic,
	[TEMPLATE_LAB] = lab,
	[TEMPLATE_QUESTIONS] = questions,
	[TEMPLATE_ESSAY] = essay,
};

static void add_text(struct blocks *to, const char *hint, unsigned signs)
{
	runs_add(&blocks_add(to, BLOCK_PARAGRAPH, NULL)->runs, hint, RUN_TODO | signs, NULL);
}

static void add_items(struct blocks *to, enum list_style style, const char *hints)
{
	struct list *list = &blocks_add_list(to, style)->list;

	for (;;) {
		size_t len = strcspn(hints, "|");

		runs_add_bytes(&list_add_item(list)->runs, hints, len, RUN_TODO, NULL);
		if (hints[len] == '\0')
			return;
		hints += len + 1;
	}
}

static void add_results(struct blocks *to)
{
	static const char *const head[] = {"No.", "Input or setting", "Expected", "Observed"};
	static const char *const places[] = {NULL, "[input]", "[expected]", "[observed]"};
	struct table *t = &blocks_add_table(to, "Observation table", 4, ARRAY_LEN(head))->table;

	t->has_header = true;
	for (size_t x = 0; x < t->columns; x++)
		runs_add(table_cell(t, 0, x), head[x], 0, NULL);
	for (size_t y = 1; y < t->rows; y++) {
		char number[2] = {(char)('0' + y), '\0'};

		runs_add(table_cell(t, y, 0), number, 0, NULL);
		for (size_t x = 1; x < t->columns; x++)
			runs_add(table_cell(t, y, x), places[x], RUN_TODO, NULL);
	}
}

static void add_section(struct blocks *to, const struct section *s)
{
	runs_add(blocks_add_heading(to, 1), s->heading, 0, NULL);
	switch (s->form) {
	case FORM_TEXT:
		add_text(to, s->hint, 0);
		break;
	case FORM_CODE:
		add_text(to, s->hint, RUN_CODE);
		break;
	case FORM_BULLETS:
		add_items(to, LIST_BULLETS, s->hint);
		break;
	case FORM_STEPS:
		add_items(to, LIST_NUMBERS, s->hint);
		break;
	case FORM_RESULTS:
		add_results(to);
		break;
	}
}

/* The question's first line, short enough to stand above its answer. */
static void add_question(struct blocks *to, const struct runs *runs, unsigned number)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP(buf_done) struct buf line = BUF_INIT;
	char heading[32];
	size_t len;

	runs_to_text(runs, &text);
	clean_line(&line, text.data, text.len);
	len = text_cut_utf8(line.data, line.len, MAX_QUESTION_BYTES);
	snprintf(heading, sizeof(heading), "Question %u", number);
	runs_add(blocks_add_heading(to, 2), heading, 0, NULL);
	if (len > 0) {
		struct runs *quote = &blocks_add(to, BLOCK_QUOTE, NULL)->runs;

		runs_add_bytes(quote, line.data, len, 0, NULL);
		if (len < line.len)
			runs_add(quote, "…", 0, NULL);
	}
	add_text(to, "[Your answer]", 0);
}

static bool is_question(const struct runs *runs)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	runs_to_text(runs, &text);
	while (text.len > 0 && strchr(" \n\t", text.data[text.len - 1]))
		text.data[--text.len] = '\0';
	return text_ends_with(text.data, "?");
}

/* Numbered items are the questions of a sheet; without any, sentences that end with "?". */
static unsigned add_questions(struct blocks *to, const struct blocks *description, bool numbered)
{
	unsigned count = 0;

	for (size_t i = 0; i < description->count; i++) {
		const struct block *block = &description->at[i];
		bool take_all = block->type == BLOCK_LIST && block->list.style == LIST_NUMBERS;

		if (numbered != take_all)
			continue;
		for (size_t j = 0; j < block->list.count && count < MAX_QUESTIONS; j++)
			if (take_all || is_question(&block->list.items[j].runs))
				add_question(to, &block->list.items[j].runs, ++count);
		if (block->type == BLOCK_PARAGRAPH && is_question(&block->runs) &&
		    count < MAX_QUESTIONS)
			add_question(to, &block->runs, ++count);
	}
	return count;
}

static void add_answers(struct blocks *to, const struct blocks *description)
{
	runs_add(blocks_add_heading(to, 1), "Answers", 0, NULL);
	if (add_questions(to, description, true) > 0 || add_questions(to, description, false) > 0)
		return;
	add_question(to, &(struct runs){0}, 1);
	add_question(to, &(struct runs){0}, 2);
}

void sections_add(struct blocks *to, enum template_kind kind, const struct blocks *description)
{
	assert(kind < TEMPLATE_KIND_COUNT);
	if (kind == TEMPLATE_QUESTIONS)
		add_answers(to, description);
	for (const struct section *s = sections_of[kind]; s->heading != NULL; s++)
		add_section(to, s);
}
