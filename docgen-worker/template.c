#include "template.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "clean.h"
#include "mem.h"
#include "sections.h"

#define GUESS_BYTES    4000 /* of the description */
#define MAX_TASK_LEVEL 4

/* ------------------------------------------------------------ the kind */

static const struct {
	const char *word; /* lower case; a trailing * stands for any ending */
	enum template_kind kind;
} kind_words[] = {
	{"lab", TEMPLATE_LAB},
	{"labs", TEMPLATE_LAB},
	{"laborator*", TEMPLATE_LAB},
	{"experiment*", TEMPLATE_LAB},
	{"practical*", TEMPLATE_LAB},
	{"apparatus", TEMPLATE_LAB},
	{"essay*", TEMPLATE_ESSAY},
	{"reflection*", TEMPLATE_ESSAY},
	{"dissertation", TEMPLATE_ESSAY},
	{"term paper", TEMPLATE_ESSAY},
	{"literature review", TEMPLATE_ESSAY},
	{"tutorial*", TEMPLATE_QUESTIONS},
	{"question*", TEMPLATE_QUESTIONS},
	{"problem set*", TEMPLATE_QUESTIONS},
	{"problem sheet*", TEMPLATE_QUESTIONS},
	{"theory", TEMPLATE_QUESTIONS},
	{"exercise*", TEMPLATE_QUESTIONS},
	{"answer the following", TEMPLATE_QUESTIONS},
};

/* Where the word begins in text (lower case), not inside another word; "lab" is in "lab3". */
static const char *find_word(const char *text, const char *word)
{
	bool any_ending = word[strlen(word) - 1] == '*';
	size_t len = strlen(word) - any_ending;
	CLEANUP_FREE char *stem = mem_strndup(word, len);

	for (const char *at = text; (at = strstr(at, stem)) != NULL; at++) {
		bool starts = at == text || !isalpha((unsigned char)at[-1]);

		if (starts && (any_ending || !isalpha((unsigned char)at[len])))
			return at;
	}
	return NULL;
}

/* The kind of the word that stands first. */
static enum template_kind guess_from(const char *text)
{
	CLEANUP_FREE char *lower = mem_strdup(text);
	enum template_kind kind = TEMPLATE_GENERIC;
	const char *first = NULL;

	for (char *p = lower; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	for (size_t i = 0; i < ARRAY_LEN(kind_words); i++) {
		const char *at = find_word(lower, kind_words[i].word);

		if (at != NULL && (first == NULL || at < first)) {
			first = at;
			kind = kind_words[i].kind;
		}
	}
	return kind;
}

enum template_kind template_guess_kind(const struct assignment *a)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	enum template_kind kind = guess_from(a->title);

	if (kind != TEMPLATE_GENERIC)
		return kind;
	for (size_t i = 0; i < a->description.count && text.len < GUESS_BYTES; i++) {
		runs_to_text(&a->description.at[i].runs, &text);
		buf_add_char(&text, '\n');
	}
	return guess_from(text.data);
}

/* ------------------------------------------------------------ the head */

void template_format_time(int64_t epoch, char out[TEMPLATE_TIME_SIZE])
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[12] = {
		"January", "February", "March",	    "April",   "May",	   "June",
		"July",	   "August",   "September", "October", "November", "December",
	};
	time_t t = (time_t)epoch;
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, TEMPLATE_TIME_SIZE, "%s %d %s %d, %02d:%02d UTC", days[tm.tm_wday],
		 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min);
}

static void add_due(struct runs *runs, const struct assignment *a)
{
	char utc[TEMPLATE_TIME_SIZE] = "";

	if (a->due > 0)
		template_format_time(a->due, utc);
	if (a->due_text[0] != '\0' && utc[0] != '\0') {
		runs_add(runs, a->due_text, 0, NULL);
		runs_add(runs, " (", 0, NULL);
		runs_add(runs, utc, 0, NULL);
		runs_add(runs, ")", 0, NULL);
	} else if (a->due_text[0] != '\0' || utc[0] != '\0') {
		runs_add(runs, utc[0] ? utc : a->due_text, 0, NULL);
	} else {
		runs_add(runs, "No due date on Moodle", 0, NULL);
	}
}

static void add_fact(struct table *t, size_t row, const char *label, const char *value,
		     const char *hint)
{
	struct runs *cell = table_cell(t, row, 1);

	runs_add(table_cell(t, row, 0), label, 0, NULL);
	if (value[0] != '\0')
		runs_add(cell, value, 0, NULL);
	else if (hint != NULL)
		runs_add(cell, hint, RUN_TODO, NULL);
}

static void add_facts(struct document *d, const struct assignment *a)
{
	struct table *t = &blocks_add_table(&d->blocks, "About this assignment", 5, 2)->table;

	t->has_labels = true;
	add_fact(t, 0, "Course", d->course, "[Course]");
	add_fact(t, 1, "Assignment", "", NULL);
	runs_add(table_cell(t, 1, 1), d->title, 0, d->url);
	add_fact(t, 2, "Name", d->author, "[Your name]");
	add_fact(t, 3, "Roll number", d->roll, "[Your roll number]");
	add_fact(t, 4, "Due", "", NULL);
	add_due(table_cell(t, 4, 1), a);
}

static void add_notice(struct blocks *b)
{
	struct runs *runs = &blocks_add(b, BLOCK_CALLOUT, NULL)->runs;

	runs_add(runs, "Draft for your review.", RUN_BOLD, NULL);
	runs_add(runs,
		 " The task below was copied from Moodle and the headings come from a template; "
		 "nothing here is an answer. Check every statement, replace the parts in brackets "
		 "with your own work and follow your course’s rules. Delete this box when you "
		 "have done so.",
		 0, NULL);
}

/* ------------------------------------------------------------ the task */

/*
 * Teachers choose headings by size: an h5 under an h2. Here each one goes one level below the
 * nearest smaller one before it, beginning below "Task", so that no level is skipped.
 */
struct levels {
	int open[6];
	int depth;
};

static int next_level(struct levels *l, int level)
{
	while (l->depth > 0 && l->open[l->depth - 1] >= level)
		l->depth--;
	l->open[l->depth++] = level;
	return MIN(1 + l->depth, MAX_TASK_LEVEL);
}

static void add_description(struct blocks *to, const struct assignment *a)
{
	struct levels levels = {.depth = 0};

	for (size_t i = 0; i < a->description.count; i++) {
		struct block *block = blocks_copy(to, &a->description.at[i]);

		if (block->type == BLOCK_HEADING)
			block->level = next_level(&levels, block->level);
	}
}

static void add_task_notes(struct blocks *to, const struct assignment *a)
{
	struct runs *runs;

	if (a->description.count == 0)
		runs_add(&blocks_add(to, BLOCK_PARAGRAPH, NULL)->runs,
			 "Moodle shows no description for this assignment.", RUN_ITALIC, NULL);
	if (a->truncated)
		runs_add(&blocks_add(to, BLOCK_PARAGRAPH, NULL)->runs,
			 "The description on Moodle is longer than what is shown here.", RUN_ITALIC,
			 NULL);
	if (a->url[0] == '\0')
		return;
	runs = &blocks_add(to, BLOCK_PARAGRAPH, NULL)->runs;
	runs_add(runs, "Read it on Moodle: ", 0, NULL);
	runs_add(runs, a->url, 0, a->url);
}

static void add_files(struct blocks *to, const struct assignment *a)
{
	struct list *list;

	if (a->file_count == 0)
		return;
	runs_add(blocks_add_heading(to, 2), "Files of this assignment", 0, NULL);
	list = &blocks_add_list(to, LIST_BULLETS)->list;
	for (size_t i = 0; i < a->file_count; i++)
		runs_add(&list_add_item(list)->runs, a->files[i].name, 0, a->files[i].url);
}

/* ------------------------------------------------------------ the checklist */

static void add_check(struct list *list, const char *text)
{
	runs_add(&list_add_item(list)->runs, text, 0, NULL);
}

static void add_checklist(struct blocks *to, const struct assignment *a)
{
	struct list *list;
	struct runs *last;

	runs_add(blocks_add_heading(to, 1), "Before you submit", 0, NULL);
	list = &blocks_add_list(to, LIST_CHECKS)->list;
	add_check(list, "I have read the task on Moodle once more, and its files.");
	add_check(list, "No […] is left, and the box and this list are deleted.");
	add_check(list, "Name and roll number are right.");
	add_check(list, "Everything is my own work; sources and help are named as my course asks.");
	add_check(list, "The file has the format and the name that the assignment asks for.");
	last = &list_add_item(list)->runs;
	runs_add(last, "Submitted on Moodle", 0, a->url);
	if (a->due > 0 || a->due_text[0] != '\0') {
		runs_add(last, " before ", 0, NULL);
		add_due(last, a);
	}
	runs_add(last, ".", 0, NULL);
}

void template_fill(const struct assignment *a, const struct template_student *student,
		   struct document *ret)
{
	struct document d;

	document_init(&d);
	document_set(&d.title, a->title[0] ? a->title : "Assignment");
	document_set(&d.course, a->course);
	document_set(&d.author, student->name);
	document_set(&d.roll, student->roll);
	document_set_url(&d, a->url);
	document_set_lang(&d, a->lang);
	add_facts(&d, a);
	add_notice(&d.blocks);
	runs_add(blocks_add_heading(&d.blocks, 1), "Task", 0, NULL);
	add_description(&d.blocks, a);
	add_task_notes(&d.blocks, a);
	add_files(&d.blocks, a);
	sections_add(&d.blocks, template_guess_kind(a), &a->description);
	add_checklist(&d.blocks, a);
	*ret = d;
}
