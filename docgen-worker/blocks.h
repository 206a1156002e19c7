/*
 * blocks.h - the block model: what a document says, without a word about how it looks.
 *
 * docgen-worker/scripts/assignment.js makes such blocks of a teacher's HTML, the template adds its
 * own, docx.h writes them. The model has no way to say a field, a macro or an outside picture.
 *
 *	block		JSON, as "type"					fields
 *	heading		{level: 1..6, runs}				level, runs
 *	paragraph	{runs}						runs
 *	quote		{runs}						runs
 *	callout		{runs}						runs
 *	list		{ordered, check?, items: [{runs, children: [list]}]}	list
 *	code		{text}						text
 *	table		{caption, header: [cell], labels?, rows: [[cell]]}, cell = runs
 *									text (caption), table
 *	image		{src, alt, mime?, data?} (base64)		text (alt), image
 *	rule		{}
 *
 *	runs		[{t, b?, i?, code?, sub?, sup?, todo?, href?}]
 *
 * A run marked todo is a place that the student must fill, "[…]". Text is clean (clean.h), "\n" in
 * it is a line break; addresses are clean too (href.h). All add functions see to that, so whoever
 * reads a block needs no checks. Blocks own what hangs below them: blocks_done().
 *
 * Pointers to blocks are valid until the next block is added beside them.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "error.h"

#define BLOCKS_MAX	   400
#define BLOCKS_MAX_TEXT	   (200 * 1024) /* bytes of all text */
#define BLOCKS_MAX_RUNS	   20000
#define BLOCKS_MAX_LINES   5000 /* line breaks in all text */
#define BLOCKS_MAX_ITEMS   2000
#define BLOCKS_MAX_ROWS	   31 /* the header row included */
#define BLOCKS_MAX_COLUMNS 12
#define BLOCKS_MAX_DEPTH   3 /* lists in lists */
#define BLOCKS_MAX_IMAGES  8 /* with data */
#define BLOCKS_MAX_IMAGE   (1024 * 1024)

enum run_sign {
	RUN_BOLD = 1,
	RUN_ITALIC = 2,
	RUN_CODE = 4,
	RUN_SUB = 8,
	RUN_SUP = 16,
	RUN_TODO = 32,
};

#define RUN_SIGN_COUNT 6
extern const struct run_sign_name {
	const char *name; /* in JSON */
	enum run_sign sign;
} run_sign_names[RUN_SIGN_COUNT];

struct run {
	char *text;
	char *href; /* or NULL */
	unsigned signs;
};

struct runs {
	struct run *at;
	size_t count;
};

enum block_type {
	BLOCK_HEADING,
	BLOCK_PARAGRAPH,
	BLOCK_QUOTE,
	BLOCK_CALLOUT,
	BLOCK_LIST,
	BLOCK_CODE,
	BLOCK_TABLE,
	BLOCK_IMAGE,
	BLOCK_RULE,
	BLOCK_TYPE_COUNT
};

extern const char *const block_type_names[BLOCK_TYPE_COUNT]; /* in JSON */

struct blocks {
	struct block *at;
	size_t count;
};

struct list_item {
	struct runs runs;
	struct blocks children; /* lists */
};

enum list_style { LIST_BULLETS, LIST_NUMBERS, LIST_CHECKS };

struct list {
	enum list_style style;
	struct list_item *items;
	size_t count;
};

struct table {
	bool has_header; /* the first row is a header */
	bool has_labels; /* the first cell of each row is its label */
	size_t rows, columns;
	struct runs *cells; /* rows * columns, row after row */
};

struct image {
	char *src;	 /* where it came from, "" when unknown or not http, https */
	struct buf data; /* a PNG or JPEG file; empty: not at hand */
};

struct block {
	enum block_type type;
	int level;
	struct runs runs;
	char *text;
	struct list list;
	struct table table;
	struct image image;
};

#define BLOCKS_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void blocks_done(struct blocks *b);

/* Adds. text may be NULL where the type has none. */
struct block *blocks_add(struct blocks *b, enum block_type type, const char *text);
struct runs *blocks_add_heading(struct blocks *b, int level);
struct block *blocks_add_list(struct blocks *b, enum list_style style);
struct list_item *list_add_item(struct list *list);
struct block *blocks_add_table(struct blocks *b, const char *caption, size_t rows, size_t columns);
struct runs *table_cell(const struct table *t, size_t row, size_t column);

/* href NULL or refused: plain text. Text that is empty when clean adds nothing. */
void runs_add(struct runs *runs, const char *text, unsigned signs, const char *href);
void runs_add_bytes(struct runs *runs, const char *text, size_t len, unsigned signs,
		    const char *href);

/* A deep copy, appended. */
struct block *blocks_copy(struct blocks *to, const struct block *from);

/* The plain text of runs, appended. */
void runs_to_text(const struct runs *runs, struct buf *out);
bool runs_are_blank(const struct runs *runs);

/*
 * Reads the JSON of the table above into ret (empty before). What goes beyond the limits is left
 * out and *truncated set; what is not of the model's form is -EBADMSG, and ret stays empty. An
 * image whose data is no base64 or too large loses the data only.
 */
int blocks_parse(const json_t *array, struct blocks *ret, bool *truncated, struct error *err);

/* The JSON again; equal blocks give equal JSON. A new reference. */
json_t *blocks_to_json(const struct blocks *b);
