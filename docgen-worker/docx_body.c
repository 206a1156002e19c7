#include "docx_body.h"

#include <string.h>

#include "clean.h"
#include "mem.h"
#include "text.h"

#define AFTER_TABLE 160 /* twips */
#define AFTER_CODE  160
#define AFTER_TITLE 240 /* when no subtitle follows */

void docx_body_done(struct docx_body *x)
{
	buf_done(&x->xml);
	free(x->links);
	free(x->pictures);
	free(x->number_levels);
}

/* ------------------------------------------------------------ paragraphs */

/* Styles whose own distance is large enough behind a table. */
static bool keeps_distance(const char *style)
{
	return style && (text_starts_with(style, "Heading") || strcmp(style, "DraftNotice") == 0 ||
			 strcmp(style, "TableText") == 0 || strcmp(style, "AfterTable") == 0 ||
			 strcmp(style, "Caption") == 0);
}

static int space_before(struct docx_body *x, const struct docx_paragraph *p)
{
	bool after_table = x->after_table;

	x->after_table = false;
	return after_table && !keeps_distance(p->style) ? AFTER_TABLE : p->before;
}

/* In the order of the schema. */
void docx_paragraph_begin(struct docx_body *x, const struct docx_paragraph *p)
{
	int before = space_before(x, p);
	struct buf *xml = &x->xml;

	buf_add_str(xml, "<w:p><w:pPr>");
	if (p->style)
		buf_printf(xml, "<w:pStyle w:val=\"%s\"/>", p->style);
	if (p->keep_next)
		buf_add_str(xml, "<w:keepNext/>");
	if (p->num > 0)
		buf_printf(xml, "<w:numPr><w:ilvl w:val=\"%d\"/><w:numId w:val=\"%d\"/></w:numPr>",
			   p->level, p->num);
	if (p->rtl)
		buf_add_str(xml, "<w:bidi/>");
	if (before > 0 || p->after > 0) {
		buf_add_str(xml, "<w:spacing");
		if (before > 0)
			buf_printf(xml, " w:before=\"%d\"", before);
		if (p->after > 0)
			buf_printf(xml, " w:after=\"%d\"", p->after);
		buf_add_str(xml, "/>");
	}
	buf_add_str(xml, "</w:pPr>");
}

void docx_paragraph_end(struct docx_body *x)
{
	buf_add_str(&x->xml, "</w:p>");
}

static void add_paragraph(struct docx_body *x, const char *style, const struct runs *runs)
{
	bool rtl = docx_runs_are_rtl(runs);

	if (runs_are_blank(runs))
		return;
	docx_paragraph_begin(x, &(struct docx_paragraph){.style = style, .rtl = rtl});
	docx_add_runs(x, runs, rtl);
	docx_paragraph_end(x);
}

static void add_line(struct docx_body *x, const char *style, const char *text, int after)
{
	bool rtl = clean_is_rtl(text);

	if (text[0] == '\0')
		return;
	docx_paragraph_begin(x,
			     &(struct docx_paragraph){.style = style, .rtl = rtl, .after = after});
	docx_add_text(x, text);
	docx_paragraph_end(x);
}

/* ------------------------------------------------------------ blocks */

static void add_heading(struct docx_body *x, const struct block *block)
{
	char style[] = "Heading1";

	style[7] = (char)('0' + MIN(block->level, 4));
	add_paragraph(x, style, &block->runs);
}

/* A paragraph a line: equal borders of neighbours become one box. The first and the last keep
 * their distance, and an empty line needs a character to have its height. */
static void add_code(struct docx_body *x, const struct block *block)
{
	const char *line = block->text;
	bool is_first = true, is_last = false;

	while (!is_last) {
		size_t len = strcspn(line, "\n");
		CLEANUP_FREE char *text = mem_strndup(line, len);

		is_last = line[len] == '\0';
		docx_paragraph_begin(x,
				     &(struct docx_paragraph){.style = "Code",
							      .before = is_first ? AFTER_CODE : 0,
							      .after = is_last ? AFTER_CODE : 0});
		docx_add_text(x, len > 0 ? text : " ");
		docx_paragraph_end(x);
		line += len + 1;
		is_first = false;
	}
}

/* Each numbered list has a w:num of its own, or it would go on counting where the last one ended.
 */
static int new_number(struct docx_body *x, int level)
{
	x->number_levels =
		mem_realloc(x->number_levels, (x->number_count + 1) * sizeof(*x->number_levels));
	x->number_levels[x->number_count++] = level;
	return DOCX_BULLETS + (int)x->number_count;
}

static void add_item(struct docx_body *x, const struct list *list, const struct runs *runs, int num,
		     int level)
{
	struct docx_paragraph p = {.style = "ListParagraph",
				   .num = num,
				   .level = level,
				   .rtl = docx_runs_are_rtl(runs)};

	if (runs_are_blank(runs))
		return;
	if (list->style == LIST_CHECKS)
		p.style = "Checklist";
	docx_paragraph_begin(x, &p);
	if (list->style == LIST_CHECKS)
		docx_add_text(x, "☐\t");
	docx_add_runs(x, runs, p.rtl);
	docx_paragraph_end(x);
}

static void add_list(struct docx_body *x, const struct list *list, int level)
{
	int num = list->style == LIST_NUMBERS	? new_number(x, level)
		  : list->style == LIST_BULLETS ? DOCX_BULLETS
						: 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct blocks *children = &list->items[i].children;

		add_item(x, list, &list->items[i].runs, num, level);
		for (size_t j = 0; j < children->count; j++)
			add_list(x, &children->at[j].list, level + 1);
	}
}

static void add_rule(struct docx_body *x)
{
	docx_paragraph_begin(x, &(struct docx_paragraph){.style = "Rule"});
	docx_paragraph_end(x);
}

static void add_block(struct docx_body *x, const struct block *block)
{
	switch (block->type) {
	case BLOCK_HEADING:
		add_heading(x, block);
		break;
	case BLOCK_PARAGRAPH:
		add_paragraph(x, NULL, &block->runs);
		break;
	case BLOCK_QUOTE:
		add_paragraph(x, "Quote", &block->runs);
		break;
	case BLOCK_CALLOUT:
		add_paragraph(x, "DraftNotice", &block->runs);
		break;
	case BLOCK_LIST:
		add_list(x, &block->list, 0);
		break;
	case BLOCK_CODE:
		add_code(x, block);
		break;
	case BLOCK_TABLE:
		docx_add_table(x, block);
		break;
	case BLOCK_IMAGE:
		docx_add_picture(x, block);
		break;
	case BLOCK_RULE:
		add_rule(x);
		break;
	case BLOCK_TYPE_COUNT:
		break;
	}
}

static const char document_begin[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
	"<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" "
	"xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" "
	"xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" "
	"xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" "
	"xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><w:body>";

/* A4 with margins of 2 cm. */
static const char document_end[] =
	"<w:sectPr><w:headerReference w:type=\"default\" r:id=\"rId5\"/>"
	"<w:footerReference w:type=\"default\" r:id=\"rId6\"/>"
	"<w:pgSz w:w=\"11906\" w:h=\"16838\"/>"
	"<w:pgMar w:top=\"1304\" w:right=\"1134\" w:bottom=\"1134\" w:left=\"1134\" "
	"w:header=\"624\" w:footer=\"567\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>\n";

void docx_body_write(struct docx_body *x, const struct document *d)
{
	buf_add_str(&x->xml, document_begin);
	add_line(x, "Title", d->title, d->course[0] == '\0' ? AFTER_TITLE : 0);
	add_line(x, "Subtitle", d->course, 0);
	for (size_t i = 0; i < d->blocks.count; i++)
		add_block(x, &d->blocks.at[i]);
	if (x->after_table) {
		docx_paragraph_begin(x, &(struct docx_paragraph){.style = "AfterTable"});
		docx_paragraph_end(x);
	}
	buf_add_str(&x->xml, document_end);
}
