#include "blocks.h"

#include <assert.h>

#include "clean.h"
#include "href.h"
#include "mem.h"

const char *const block_type_names[BLOCK_TYPE_COUNT] = {
	[BLOCK_HEADING] = "heading", [BLOCK_PARAGRAPH] = "paragraph", [BLOCK_QUOTE] = "quote",
	[BLOCK_CALLOUT] = "callout", [BLOCK_LIST] = "list",	      [BLOCK_CODE] = "code",
	[BLOCK_TABLE] = "table",     [BLOCK_IMAGE] = "image",	      [BLOCK_RULE] = "rule",
};

const struct run_sign_name run_sign_names[RUN_SIGN_COUNT] = {
	{"b", RUN_BOLD},  {"i", RUN_ITALIC}, {"code", RUN_CODE},
	{"sub", RUN_SUB}, {"sup", RUN_SUP},  {"todo", RUN_TODO},
};

static void runs_done(struct runs *runs)
{
	for (size_t i = 0; i < runs->count; i++) {
		free(runs->at[i].text);
		free(runs->at[i].href);
	}
	free(runs->at);
}

static void list_done(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		runs_done(&list->items[i].runs);
		blocks_done(&list->items[i].children);
	}
	free(list->items);
}

static void block_done(struct block *block)
{
	runs_done(&block->runs);
	free(block->text);
	list_done(&block->list);
	for (size_t i = 0; i < block->table.rows * block->table.columns; i++)
		runs_done(&block->table.cells[i]);
	free(block->table.cells);
	free(block->image.src);
	buf_done(&block->image.data);
}

void blocks_done(struct blocks *b)
{
	for (size_t i = 0; i < b->count; i++)
		block_done(&b->at[i]);
	free(b->at);
	*b = (struct blocks)BLOCKS_INIT;
}

/* One more zeroed element behind `count`; capacity is the next power of two. */
static void *grow(void *array, size_t *count, size_t size)
{
	size_t n = *count;
	char *bytes = array;

	if ((n & (n - 1)) == 0)
		bytes = mem_realloc(array, (n ? n * 2 : 1) * size);
	memset(bytes + n * size, 0, size);
	*count = n + 1;
	return bytes;
}

struct block *blocks_add(struct blocks *b, enum block_type type, const char *text)
{
	CLEANUP(buf_done) struct buf clean = BUF_INIT;
	struct block *block;

	b->at = grow(b->at, &b->count, sizeof(*b->at));
	block = &b->at[b->count - 1];
	block->type = type;
	clean_text(&clean, text ? text : "", text ? strlen(text) : 0);
	block->text = buf_take(&clean);
	block->image.src = mem_strdup("");
	block->image.data = (struct buf)BUF_INIT;
	return block;
}

struct runs *blocks_add_heading(struct blocks *b, int level)
{
	struct block *block = blocks_add(b, BLOCK_HEADING, NULL);

	assert(level >= 1 && level <= 6);
	block->level = level;
	return &block->runs;
}

struct block *blocks_add_list(struct blocks *b, enum list_style style)
{
	struct block *block = blocks_add(b, BLOCK_LIST, NULL);

	block->list.style = style;
	return block;
}

struct list_item *list_add_item(struct list *list)
{
	list->items = grow(list->items, &list->count, sizeof(*list->items));
	return &list->items[list->count - 1];
}

struct block *blocks_add_table(struct blocks *b, const char *caption, size_t rows, size_t columns)
{
	struct block *block = blocks_add(b, BLOCK_TABLE, caption);

	assert(rows <= BLOCKS_MAX_ROWS && columns <= BLOCKS_MAX_COLUMNS);
	block->table.rows = rows;
	block->table.columns = columns;
	block->table.cells = mem_zalloc_array(rows * columns + 1, sizeof(struct runs));
	return block;
}

struct runs *table_cell(const struct table *t, size_t row, size_t column)
{
	assert(row < t->rows && column < t->columns);
	return &t->cells[row * t->columns + column];
}

void runs_add_bytes(struct runs *runs, const char *text, size_t len, unsigned signs,
		    const char *href)
{
	CLEANUP(buf_done) struct buf clean = BUF_INIT;
	CLEANUP(buf_done) struct buf link = BUF_INIT;
	struct run *run;

	clean_text(&clean, text, len);
	if (clean.len == 0)
		return;
	runs->at = grow(runs->at, &runs->count, sizeof(*runs->at));
	run = &runs->at[runs->count - 1];
	run->text = buf_take(&clean);
	run->signs = signs;
	if (href && href_clean(href, &link))
		run->href = buf_take(&link);
}

void runs_add(struct runs *runs, const char *text, unsigned signs, const char *href)
{
	runs_add_bytes(runs, text, strlen(text), signs, href);
}

static void runs_copy(struct runs *to, const struct runs *from)
{
	for (size_t i = 0; i < from->count; i++)
		runs_add(to, from->at[i].text, from->at[i].signs, from->at[i].href);
}

static void list_copy(struct list *to, const struct list *from)
{
	to->style = from->style;
	for (size_t i = 0; i < from->count; i++) {
		struct list_item *item = list_add_item(to);

		runs_copy(&item->runs, &from->items[i].runs);
		for (size_t j = 0; j < from->items[i].children.count; j++)
			blocks_copy(&item->children, &from->items[i].children.at[j]);
	}
}

static void table_copy(struct table *to, const struct table *from)
{
	to->has_header = from->has_header;
	to->has_labels = from->has_labels;
	for (size_t i = 0; i < from->rows * from->columns; i++)
		runs_copy(&to->cells[i], &from->cells[i]);
}

struct block *blocks_copy(struct blocks *to, const struct block *from)
{
	struct block *block;

	if (from->type == BLOCK_TABLE)
		block = blocks_add_table(to, from->text, from->table.rows, from->table.columns);
	else
		block = blocks_add(to, from->type, from->text);
	block->level = from->level;
	runs_copy(&block->runs, &from->runs);
	list_copy(&block->list, &from->list);
	table_copy(&block->table, &from->table);
	free(block->image.src);
	block->image.src = mem_strdup(from->image.src);
	buf_add(&block->image.data, from->image.data.data, from->image.data.len);
	return block;
}

void runs_to_text(const struct runs *runs, struct buf *out)
{
	for (size_t i = 0; i < runs->count; i++)
		buf_add_str(out, runs->at[i].text);
}

bool runs_are_blank(const struct runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		if (runs->at[i].text[strspn(runs->at[i].text, " \t\n")] != '\0')
			return false;
	return true;
}
