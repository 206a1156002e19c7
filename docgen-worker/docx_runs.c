#include "docx_body.h"

#include <string.h>

#include "clean.h"
#include "mem.h"
#include "ooxml.h"

bool docx_runs_are_rtl(const struct runs *runs)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	runs_to_text(runs, &text);
	return clean_is_rtl(text.data);
}

/* A space at either end is lost without xml:space. */
static void add_pieces(struct buf *xml, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n\t");

		if (len > 0) {
			CLEANUP_FREE char *piece = mem_strndup(text, len);

			buf_add_str(xml, "<w:t xml:space=\"preserve\">");
			ooxml_add(xml, piece);
			buf_add_str(xml, "</w:t>");
		}
		text += len;
		if (*text == '\n')
			buf_add_str(xml, "<w:br/>");
		else if (*text == '\t')
			buf_add_str(xml, "<w:tab/>");
		text += *text != '\0';
	}
}

static const char *run_style(const struct run *run)
{
	if (run->signs & RUN_TODO)
		return "ToFill";
	if (run->href)
		return "Hyperlink";
	return run->signs & RUN_CODE ? "CodeChar" : NULL;
}

/* In the order of the schema, or Word calls the file damaged. */
static void add_run_properties(struct buf *xml, const struct run *run, bool rtl)
{
	const char *style = run_style(run);
	bool is_code = (run->signs & RUN_CODE) && style && strcmp(style, "CodeChar") != 0;

	if (style == NULL && run->signs == 0 && !rtl)
		return;
	buf_add_str(xml, "<w:rPr>");
	if (style)
		buf_printf(xml, "<w:rStyle w:val=\"%s\"/>", style);
	if (is_code)
		buf_add_str(xml, "<w:rFonts w:ascii=\"Consolas\" w:hAnsi=\"Consolas\" "
				 "w:cs=\"Consolas\"/>");
	if (run->signs & RUN_BOLD)
		buf_add_str(xml, "<w:b/><w:bCs/>");
	if (run->signs & RUN_ITALIC)
		buf_add_str(xml, "<w:i/><w:iCs/>");
	if (run->signs & (RUN_SUB | RUN_SUP))
		buf_printf(xml, "<w:vertAlign w:val=\"%s\"/>",
			   run->signs & RUN_SUB ? "subscript" : "superscript");
	if (rtl)
		buf_add_str(xml, "<w:rtl/>");
	buf_add_str(xml, "</w:rPr>");
}

static void add_run(struct buf *xml, const struct run *run, bool rtl)
{
	buf_add_str(xml, "<w:r>");
	add_run_properties(xml, run, rtl);
	add_pieces(xml, run->text);
	buf_add_str(xml, "</w:r>");
}

/* The number of the address in document.xml.rels; equal addresses share one. */
static size_t link_number(struct docx_body *x, const char *href)
{
	for (size_t i = 0; i < x->link_count; i++)
		if (strcmp(x->links[i], href) == 0)
			return i + 1;
	x->links = mem_realloc(x->links, (x->link_count + 1) * sizeof(*x->links));
	x->links[x->link_count++] = href;
	return x->link_count;
}

static void begin_link(struct docx_body *x, const char *href)
{
	buf_printf(&x->xml, "<w:hyperlink r:id=\"rIdL%zu\" w:history=\"1\">", link_number(x, href));
}

void docx_add_runs(struct docx_body *x, const struct runs *runs, bool rtl)
{
	for (size_t i = 0; i < runs->count; i++) {
		const struct run *run = &runs->at[i];

		if (run->href)
			begin_link(x, run->href);
		add_run(&x->xml, run, rtl && clean_is_rtl(run->text));
		if (run->href)
			buf_add_str(&x->xml, "</w:hyperlink>");
	}
}

void docx_add_link(struct docx_body *x, const char *href, const char *text)
{
	begin_link(x, href);
	buf_add_str(&x->xml, "<w:r><w:rPr><w:rStyle w:val=\"Hyperlink\"/></w:rPr>");
	add_pieces(&x->xml, text);
	buf_add_str(&x->xml, "</w:r></w:hyperlink>");
}

void docx_add_text(struct docx_body *x, const char *text)
{
	buf_add_str(&x->xml, "<w:r>");
	add_pieces(&x->xml, text);
	buf_add_str(&x->xml, "</w:r>");
}
