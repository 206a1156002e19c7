/*
 * blocks_parse.c - the block model from JSON.
 *
 * Reading keeps one budget for the whole description. Running out of it is no error: a teacher may
 * write a long page, and the student gets its beginning and the link.
 */
#include "blocks.h"

#include <errno.h>

#include "base64.h"
#include "clean.h"
#include "href.h"
#include "mem.h"
#include "text.h"

struct reader {
	size_t text, runs, lines, items, images; /* what is left */
	bool truncated;
	struct error *err;
};

static int bad(struct reader *r, const char *what)
{
	return error_set(r->err, -EBADMSG, "blocks: %s", what);
}

static bool spend(struct reader *r, size_t *left, size_t cost)
{
	if (*left < cost) {
		r->truncated = true;
		return false;
	}
	*left -= cost;
	return true;
}

/* How many bytes of text the budget allows; they are spent. */
static size_t spend_text(struct reader *r, const char *text, size_t len)
{
	size_t allowed = text_cut_utf8(text, len, r->text);
	size_t n;

	for (n = 0; n < allowed; n++)
		if (text[n] == '\n' && !spend(r, &r->lines, 1))
			break;
	if (n < len)
		r->truncated = true;
	r->text -= n;
	return n;
}

/* A member's text, "" when absent or null; NULL when it is something else. */
static const char *text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value == NULL || json_is_null(value) ? "" : json_string_value(value);
}

static int read_run(struct reader *r, const json_t *value, struct runs *runs)
{
	const json_t *text = json_object_get(value, "t");
	const char *href = text_of(value, "href");
	unsigned signs = 0;

	if (!json_is_string(text) || href == NULL)
		return bad(r, "a run needs text");
	if (!spend(r, &r->runs, 1))
		return 0;
	for (size_t i = 0; i < RUN_SIGN_COUNT; i++)
		if (json_is_true(json_object_get(value, run_sign_names[i].name)))
			signs |= run_sign_names[i].sign;
	runs_add_bytes(runs, json_string_value(text),
		       spend_text(r, json_string_value(text), json_string_length(text)), signs,
		       href[0] ? href : NULL);
	return 0;
}

static int read_runs(struct reader *r, const json_t *array, struct runs *runs)
{
	const json_t *value;
	size_t i;

	if (!json_is_array(array))
		return bad(r, "runs are not an array");
	json_array_foreach(array, i, value)
	{
		int rc = read_run(r, value, runs);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The text member, clean and cut to the budget; free(). NULL when it is not a text. */
static char *read_text(struct reader *r, const json_t *object, const char *key)
{
	const char *text = text_of(object, key);
	CLEANUP(buf_done) struct buf clean = BUF_INIT;

	if (text == NULL)
		return NULL;
	clean_text(&clean, text,
		   spend_text(r, text, json_string_length(json_object_get(object, key))));
	return buf_take(&clean);
}

static int read_with_runs(struct reader *r, const json_t *value, enum block_type type,
			  struct blocks *b)
{
	return read_runs(r, json_object_get(value, "runs"), &blocks_add(b, type, NULL)->runs);
}

static int read_heading(struct reader *r, const json_t *value, enum block_type type,
			struct blocks *b)
{
	json_int_t level = json_integer_value(json_object_get(value, "level"));

	(void)type;
	if (level < 1 || level > 6)
		return bad(r, "a heading's level is 1 to 6");
	return read_runs(r, json_object_get(value, "runs"), blocks_add_heading(b, (int)level));
}

static int read_code(struct reader *r, const json_t *value, enum block_type type, struct blocks *b)
{
	CLEANUP_FREE char *text = read_text(r, value, "text");

	if (text == NULL)
		return bad(r, "code is not text");
	blocks_add(b, type, text);
	return 0;
}

static int read_rule(struct reader *r, const json_t *value, enum block_type type, struct blocks *b)
{
	(void)r;
	(void)value;
	blocks_add(b, type, NULL);
	return 0;
}

static int read_list_at(struct reader *r, const json_t *value, struct blocks *b, int depth);

static int read_children(struct reader *r, const json_t *array, struct blocks *b, int depth)
{
	const json_t *child;
	size_t i;

	if (array == NULL || json_is_null(array))
		return 0;
	if (!json_is_array(array))
		return bad(r, "an item's children are not an array");
	if (depth >= BLOCKS_MAX_DEPTH && json_array_size(array) > 0) {
		r->truncated = true;
		return 0;
	}
	json_array_foreach(array, i, child)
	{
		const char *type = text_of(child, "type");
		int rc = type && strcmp(type, "list") == 0 ? read_list_at(r, child, b, depth + 1)
							   : bad(r, "a child is not a list");
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_list_at(struct reader *r, const json_t *value, struct blocks *b, int depth)
{
	const json_t *items = json_object_get(value, "items"), *item;
	bool check = json_is_true(json_object_get(value, "check"));
	bool ordered = json_is_true(json_object_get(value, "ordered"));
	struct list *list;
	size_t i;

	if (!json_is_array(items))
		return bad(r, "a list's items are not an array");
	if (!spend(r, &r->items, 1))
		return 0;
	list = &blocks_add_list(b, check     ? LIST_CHECKS
				   : ordered ? LIST_NUMBERS
					     : LIST_BULLETS)
			->list;
	json_array_foreach(items, i, item)
	{
		struct list_item *to;
		int rc;

		if (!spend(r, &r->items, 1))
			return 0;
		to = list_add_item(list);
		rc = read_runs(r, json_object_get(item, "runs"), &to->runs);
		if (rc == 0)
			rc = read_children(r, json_object_get(item, "children"), &to->children,
					   depth);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_list(struct reader *r, const json_t *value, enum block_type type, struct blocks *b)
{
	(void)type;
	return read_list_at(r, value, b, 1);
}

/* Cells beyond the last column are cut, missing ones stay empty. */
static int read_row(struct reader *r, const json_t *cells, const struct table *t, size_t row)
{
	if (!json_is_array(cells))
		return bad(r, "a table's row is not an array");
	for (size_t i = 0; i < MIN(json_array_size(cells), t->columns); i++) {
		int rc = read_runs(r, json_array_get(cells, i), table_cell(t, row, i));

		if (rc < 0)
			return rc;
	}
	return 0;
}

static size_t widest_row(const json_t *header, const json_t *rows)
{
	size_t widest = json_array_size(header), i;
	const json_t *row;

	json_array_foreach(rows, i, row) widest = MAX(widest, json_array_size(row));
	return widest;
}

static int read_table(struct reader *r, const json_t *value, enum block_type type, struct blocks *b)
{
	const json_t *header = json_object_get(value, "header");
	const json_t *rows = json_object_get(value, "rows");
	CLEANUP_FREE char *caption = read_text(r, value, "caption");
	size_t wide, head = json_array_size(header) > 0, count = json_array_size(rows) + head;
	struct block *block;
	int rc = 0;

	(void)type;
	if (!json_is_array(rows) || caption == NULL)
		return bad(r, "a table needs rows");
	wide = widest_row(header, rows);
	r->truncated |= wide > BLOCKS_MAX_COLUMNS || count > BLOCKS_MAX_ROWS;
	if (wide == 0)
		return 0;
	block = blocks_add_table(b, caption, MIN(count, BLOCKS_MAX_ROWS),
				 MIN(wide, BLOCKS_MAX_COLUMNS));
	block->table.has_header = head;
	block->table.has_labels = json_is_true(json_object_get(value, "labels"));
	if (head)
		rc = read_row(r, header, &block->table, 0);
	for (size_t i = head; rc == 0 && i < block->table.rows; i++)
		rc = read_row(r, json_array_get(rows, i - head), &block->table, i);
	return rc;
}

static void read_image_data(struct reader *r, const json_t *data, struct buf *out)
{
	size_t len = json_string_length(data);

	if (len == 0 || len / 4 * 3 > BLOCKS_MAX_IMAGE)
		return;
	if (spend(r, &r->images, 1))
		base64_decode(json_string_value(data), len, out);
}

static int read_image(struct reader *r, const json_t *value, enum block_type type, struct blocks *b)
{
	const char *src = text_of(value, "src");
	CLEANUP_FREE char *alt = read_text(r, value, "alt");
	CLEANUP(buf_done) struct buf href = BUF_INIT;
	struct block *block;

	if (src == NULL || alt == NULL)
		return bad(r, "an image's src and alt are texts");
	block = blocks_add(b, type, alt);
	if (text_starts_with(src, "http") && href_clean(src, &href)) {
		free(block->image.src);
		block->image.src = buf_take(&href);
	}
	read_image_data(r, json_object_get(value, "data"), &block->image.data);
	return 0;
}

typedef int read_fn(struct reader *r, const json_t *value, enum block_type type, struct blocks *b);

static read_fn *const readers[BLOCK_TYPE_COUNT] = {
	[BLOCK_HEADING] = read_heading, [BLOCK_PARAGRAPH] = read_with_runs,
	[BLOCK_QUOTE] = read_with_runs, [BLOCK_CALLOUT] = read_with_runs,
	[BLOCK_LIST] = read_list,	[BLOCK_CODE] = read_code,
	[BLOCK_TABLE] = read_table,	[BLOCK_IMAGE] = read_image,
	[BLOCK_RULE] = read_rule,
};

static int read_block(struct reader *r, const json_t *value, struct blocks *b)
{
	const char *name = text_of(value, "type");

	if (name == NULL)
		return bad(r, "a block's type is not a text");
	for (int type = 0; type < BLOCK_TYPE_COUNT; type++)
		if (strcmp(name, block_type_names[type]) == 0)
			return readers[type](r, value, (enum block_type)type, b);
	return bad(r, "a block of an unknown type");
}

int blocks_parse(const json_t *array, struct blocks *ret, bool *truncated, struct error *err)
{
	struct reader r = {
		.text = BLOCKS_MAX_TEXT,
		.runs = BLOCKS_MAX_RUNS,
		.lines = BLOCKS_MAX_LINES,
		.items = BLOCKS_MAX_ITEMS,
		.images = BLOCKS_MAX_IMAGES,
		.err = err,
	};
	const json_t *value;
	size_t i;

	if (!json_is_array(array))
		return bad(&r, "not an array");
	json_array_foreach(array, i, value)
	{
		int rc;

		if (i >= BLOCKS_MAX) {
			r.truncated = true;
			break;
		}
		rc = read_block(&r, value, ret);
		if (rc < 0) {
			blocks_done(ret);
			return rc;
		}
	}
	*truncated = r.truncated;
	return 0;
}
