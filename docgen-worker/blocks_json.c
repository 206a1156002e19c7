/*
 * blocks_json.c - the block model as JSON: what is stored, hashed and printed.
 *
 * Members with their default value are left out, so that equal blocks have one text.
 */
#include "blocks.h"

#include "base64.h"
#include "mem.h"

/* Our strings are clean UTF-8, so these cannot fail but for want of memory. */
static void set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		abort();
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		abort();
}

static json_t *run_to_json(const struct run *run)
{
	json_t *object = json_object();

	set(object, "t", json_string(run->text));
	for (size_t i = 0; i < RUN_SIGN_COUNT; i++)
		if (run->signs & run_sign_names[i].sign)
			set(object, run_sign_names[i].name, json_true());
	if (run->href)
		set(object, "href", json_string(run->href));
	return object;
}

static json_t *runs_to_json(const struct runs *runs)
{
	json_t *array = json_array();

	for (size_t i = 0; i < runs->count; i++)
		append(array, run_to_json(&runs->at[i]));
	return array;
}

static void set_list(json_t *object, const struct list *list)
{
	json_t *items = json_array();

	set(object, "ordered", json_boolean(list->style == LIST_NUMBERS));
	if (list->style == LIST_CHECKS)
		set(object, "check", json_true());
	for (size_t i = 0; i < list->count; i++) {
		json_t *item = json_object();

		set(item, "runs", runs_to_json(&list->items[i].runs));
		if (list->items[i].children.count > 0)
			set(item, "children", blocks_to_json(&list->items[i].children));
		append(items, item);
	}
	set(object, "items", items);
}

static void set_table(json_t *object, const struct table *t)
{
	json_t *header = json_array(), *rows = json_array();

	for (size_t y = 0; y < t->rows; y++) {
		json_t *row = y == 0 && t->has_header ? header : json_array();

		for (size_t x = 0; x < t->columns; x++)
			append(row, runs_to_json(table_cell(t, y, x)));
		if (row != header)
			append(rows, row);
	}
	if (t->has_labels)
		set(object, "labels", json_true());
	set(object, "header", header);
	set(object, "rows", rows);
}

static void set_image(json_t *object, const struct image *image)
{
	CLEANUP(buf_done) struct buf data = BUF_INIT;
	bool is_png = image->data.len > 0 && (unsigned char)image->data.data[0] == 0x89;

	set(object, "src", json_string(image->src));
	if (image->data.len == 0)
		return;
	base64_encode(image->data.data, image->data.len, &data);
	set(object, "mime", json_string(is_png ? "image/png" : "image/jpeg"));
	set(object, "data", json_string(data.data));
}

static json_t *block_to_json(const struct block *block)
{
	json_t *object = json_object();

	set(object, "type", json_string(block_type_names[block->type]));
	switch (block->type) {
	case BLOCK_HEADING:
		set(object, "level", json_integer(block->level));
		/* fall through */
	case BLOCK_PARAGRAPH:
	case BLOCK_QUOTE:
	case BLOCK_CALLOUT:
		set(object, "runs", runs_to_json(&block->runs));
		break;
	case BLOCK_LIST:
		set_list(object, &block->list);
		break;
	case BLOCK_CODE:
		set(object, "text", json_string(block->text));
		break;
	case BLOCK_TABLE:
		set(object, "caption", json_string(block->text));
		set_table(object, &block->table);
		break;
	case BLOCK_IMAGE:
		set(object, "alt", json_string(block->text));
		set_image(object, &block->image);
		break;
	case BLOCK_RULE:
	case BLOCK_TYPE_COUNT:
		break;
	}
	return object;
}

json_t *blocks_to_json(const struct blocks *b)
{
	json_t *array = json_array();

	for (size_t i = 0; i < b->count; i++)
		append(array, block_to_json(&b->at[i]));
	return array;
}
