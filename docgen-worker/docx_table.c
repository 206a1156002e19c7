#include "docx_body.h"

#include "mem.h"
#include "ooxml.h"

#define LABEL_WIDTH 2100 /* twips: the first column of a table with labels */

/* w:tblLook: which conditional formats of the style apply. Mask and attributes must agree. */
#define LOOK_FIRST_ROW	  0x0020u
#define LOOK_FIRST_COLUMN 0x0080u
#define LOOK_NO_BANDS	  0x0600u

/* How much room a column asks for: its longest text, within reason. */
static size_t column_weight(const struct table *t, size_t column)
{
	size_t longest = 6;

	for (size_t y = 0; y < t->rows; y++) {
		CLEANUP(buf_done) struct buf text = BUF_INIT;

		runs_to_text(table_cell(t, y, column), &text);
		longest = MAX(longest, text.len);
	}
	return MIN(longest, 48);
}

/* The widths add up to the text's width. */
static void column_widths(const struct table *t, size_t widths[BLOCKS_MAX_COLUMNS])
{
	size_t total = 0, left = DOCX_TEXT_WIDTH;

	for (size_t i = 0; i < t->columns; i++)
		total += widths[i] = column_weight(t, i);
	for (size_t i = 0; i < t->columns; i++) {
		bool is_label = t->has_labels && i == 0 && t->columns == 2;
		bool is_last = i + 1 == t->columns;

		widths[i] = is_last ? left : DOCX_TEXT_WIDTH * widths[i] / total;
		widths[i] = is_label ? LABEL_WIDTH : widths[i];
		left -= widths[i];
	}
}

static void add_table_properties(struct buf *xml, const struct block *block)
{
	const struct table *t = &block->table;
	unsigned look = LOOK_NO_BANDS | (t->has_header ? LOOK_FIRST_ROW : 0) |
			(t->has_labels ? LOOK_FIRST_COLUMN : 0);

	buf_printf(xml,
		   "<w:tblPr><w:tblStyle w:val=\"TableGrid\"/><w:tblW w:w=\"%d\" w:type=\"dxa\"/>"
		   "<w:tblLook w:val=\"%04X\" w:firstRow=\"%d\" w:lastRow=\"0\" "
		   "w:firstColumn=\"%d\" w:lastColumn=\"0\" w:noHBand=\"1\" w:noVBand=\"1\"/>",
		   DOCX_TEXT_WIDTH, look, t->has_header, t->has_labels);
	if (block->text[0] != '\0') {
		buf_add_str(xml, "<w:tblCaption w:val=\"");
		ooxml_add(xml, block->text);
		buf_add_str(xml, "\"/>");
	}
	buf_add_str(xml, "</w:tblPr>");
}

/* A cell without a paragraph at its end makes Word call the file damaged. */
static void add_cell(struct docx_body *x, const struct runs *runs, size_t width)
{
	bool rtl = docx_runs_are_rtl(runs);

	buf_printf(&x->xml, "<w:tc><w:tcPr><w:tcW w:w=\"%zu\" w:type=\"dxa\"/></w:tcPr>", width);
	docx_paragraph_begin(x, &(struct docx_paragraph){.style = "TableText", .rtl = rtl});
	docx_add_runs(x, runs, rtl);
	docx_paragraph_end(x);
	buf_add_str(&x->xml, "</w:tc>");
}

static void add_row(struct docx_body *x, const struct table *t, size_t row, const size_t *widths)
{
	buf_add_str(&x->xml, "<w:tr><w:trPr><w:cantSplit/>");
	if (row == 0 && t->has_header)
		buf_add_str(&x->xml, "<w:tblHeader/>");
	buf_add_str(&x->xml, "</w:trPr>");
	for (size_t i = 0; i < t->columns; i++)
		add_cell(x, table_cell(t, row, i), widths[i]);
	buf_add_str(&x->xml, "</w:tr>");
}

/* The caption of a table with labels is for screen readers only. */
static void add_caption(struct docx_body *x, const struct block *block)
{
	if (block->text[0] == '\0' || block->table.has_labels)
		return;
	docx_paragraph_begin(x, &(struct docx_paragraph){.style = "Caption"});
	docx_add_text(x, block->text);
	docx_paragraph_end(x);
}

/* Word joins tables that touch. */
static void part_tables(struct docx_body *x)
{
	if (!x->after_table)
		return;
	x->after_table = false;
	docx_paragraph_begin(x, &(struct docx_paragraph){.style = "AfterTable"});
	docx_paragraph_end(x);
}

void docx_add_table(struct docx_body *x, const struct block *block)
{
	const struct table *t = &block->table;
	size_t widths[BLOCKS_MAX_COLUMNS];

	if (t->rows == 0 || t->columns == 0)
		return;
	add_caption(x, block);
	part_tables(x);
	column_widths(t, widths);
	buf_add_str(&x->xml, "<w:tbl>");
	add_table_properties(&x->xml, block);
	buf_add_str(&x->xml, "<w:tblGrid>");
	for (size_t i = 0; i < t->columns; i++)
		buf_printf(&x->xml, "<w:gridCol w:w=\"%zu\"/>", widths[i]);
	buf_add_str(&x->xml, "</w:tblGrid>");
	for (size_t i = 0; i < t->rows; i++)
		add_row(x, t, i, widths);
	buf_add_str(&x->xml, "</w:tbl>");
	x->after_table = true;
}
