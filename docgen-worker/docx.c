#include "docx.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "docx_body.h"
#include "mem.h"
#include "ooxml.h"
#include "part_app.h"
#include "part_content_types.h"
#include "part_core.h"
#include "part_custom.h"
#include "part_font_table.h"
#include "part_footer.h"
#include "part_header.h"
#include "part_numbering.h"
#include "part_rels.h"
#include "part_settings.h"
#include "part_styles.h"
#include "zip.h"

/* [Content_Types].xml comes first: file(1) and others tell the type by it. */
static const struct {
	const char *name;
	const unsigned char *text;
} parts[] = {
	{"[Content_Types].xml", part_content_types},
	{"_rels/.rels", part_rels},
	{"docProps/core.xml", part_core},
	{"docProps/app.xml", part_app},
	{"docProps/custom.xml", part_custom},
	{"word/styles.xml", part_styles},
	{"word/settings.xml", part_settings},
	{"word/fontTable.xml", part_font_table},
	{"word/numbering.xml", part_numbering},
	{"word/header1.xml", part_header},
	{"word/footer1.xml", part_footer},
};

#define REL_TYPES "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"

/* ------------------------------------------------------------ what the parts are filled with */

#define TIME_SIZE 32

/* W3CDTF, whatever the number is. */
static void format_time(int64_t epoch, char out[TIME_SIZE])
{
	static const int64_t end_of_9999 = 253402300799;
	time_t t = (time_t)MIN(MAX(epoch, 0), end_of_9999);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Word keeps three languages apart: of Latin letters, of East Asian ones, and of scripts that need
 * more than a row of letters. A language belongs to one of them. */
static bool lang_is_one_of(const char *lang, const char *list)
{
	size_t len = strcspn(lang, "-");

	for (; *list != '\0'; list += strcspn(list, " "), list += *list == ' ')
		if (strcspn(list, " ") == len && strncmp(list, lang, len) == 0)
			return true;
	return false;
}

static bool lang_is_complex(const char *lang)
{
	return lang_is_one_of(lang, "ar bn fa gu he hi kn ml mr ne pa ps si ta te th ug ur");
}

static bool lang_is_east(const char *lang)
{
	return lang_is_one_of(lang, "ja ko zh");
}

static void format_student(const struct document *d, struct buf *out)
{
	bool both = d->author[0] != '\0' && d->roll[0] != '\0';

	buf_printf(out, "%s%s%s", d->author, both ? " · " : "", d->roll);
}

static void format_numbers(const struct docx_body *x, struct buf *out)
{
	for (size_t i = 0; i < x->number_count; i++)
		buf_printf(out,
			   "<w:num w:numId=\"%zu\"><w:abstractNumId w:val=\"1\"/>"
			   "<w:lvlOverride w:ilvl=\"%d\"><w:startOverride w:val=\"1\"/>"
			   "</w:lvlOverride></w:num>",
			   DOCX_BULLETS + 1 + i, x->number_levels[i]);
}

/* ------------------------------------------------------------ relationships */

static void add_rel(struct buf *xml, const char *id, size_t number, const char *type,
		    const char *target, bool external)
{
	buf_printf(xml, "<Relationship Id=\"%s%zu\" Type=\"" REL_TYPES "%s\" Target=\"", id, number,
		   type);
	ooxml_add(xml, target);
	buf_printf(xml, "\"%s/>", external ? " TargetMode=\"External\"" : "");
}

static void picture_target(const struct docx_body *x, size_t i, char *out, size_t size)
{
	bool is_png = x->pictures[i].type == PICTURE_PNG;

	snprintf(out, size, "media/image%zu.%s", i + 1, is_png ? "png" : "jpeg");
}

static void format_rels(const struct docx_body *x, struct buf *xml)
{
	static const char *const fixed[][2] = {
		{"styles", "styles.xml"},     {"numbering", "numbering.xml"},
		{"settings", "settings.xml"}, {"fontTable", "fontTable.xml"},
		{"header", "header1.xml"},    {"footer", "footer1.xml"},
	};
	char target[48];

	buf_add_str(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
			 "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/"
			 "relationships\">");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		add_rel(xml, "rId", i + 1, fixed[i][0], fixed[i][1], false);
	for (size_t i = 0; i < x->link_count; i++)
		add_rel(xml, "rIdL", i + 1, "hyperlink", x->links[i], true);
	for (size_t i = 0; i < x->picture_count; i++) {
		picture_target(x, i, target, sizeof(target));
		add_rel(xml, "rIdP", i + 1, "image", target, false);
	}
	buf_add_str(xml, "</Relationships>\n");
}

/* ------------------------------------------------------------ the file */

static void add_parts(struct zip *z, const struct document *d, const struct docx_body *x,
		      int64_t created)
{
	CLEANUP(buf_done) struct buf student = BUF_INIT;
	CLEANUP(buf_done) struct buf numbers = BUF_INIT;
	char time[TIME_SIZE];

	format_student(d, &student);
	format_numbers(x, &numbers);
	format_time(created, time);
	const struct ooxml_field fields[] = {
		{.name = "TITLE", .text = d->title},
		{.name = "COURSE", .text = d->course},
		{.name = "AUTHOR", .text = d->author},
		{.name = "STUDENT", .text = student.data},
		{.name = "URL", .text = d->url},
		{.name = "AI", .text = d->ai_assisted ? "true" : "false"},
		{.name = "CREATED", .text = time},
		{.name = "LANG", .text = d->lang},
		{.name = "LANG_LATIN",
		 .text = lang_is_complex(d->lang) || lang_is_east(d->lang) ? "en-GB" : d->lang},
		{.name = "LANG_EAST", .text = lang_is_east(d->lang) ? d->lang : "en-US"},
		{.name = "LANG_COMPLEX", .text = lang_is_complex(d->lang) ? d->lang : "ar-SA"},
		{.name = "NUMBERS", .xml = numbers.data},
	};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP(buf_done) struct buf part = BUF_INIT;

		ooxml_expand(&part, (const char *)parts[i].text, fields, ARRAY_LEN(fields));
		zip_add(z, parts[i].name, part.data, part.len);
	}
}

static void add_pictures(struct zip *z, const struct docx_body *x)
{
	for (size_t i = 0; i < x->picture_count; i++) {
		char target[48], name[64];

		picture_target(x, i, target, sizeof(target));
		snprintf(name, sizeof(name), "word/%s", target);
		zip_add(z, name, x->pictures[i].data->data, x->pictures[i].data->len);
	}
}

void docx_write(const struct document *d, int64_t created, struct buf *out)
{
	CLEANUP(docx_body_done) struct docx_body x = DOCX_BODY_INIT;
	CLEANUP(buf_done) struct buf rels = BUF_INIT;
	struct zip *z = zip_new();

	docx_body_write(&x, d);
	format_rels(&x, &rels);
	add_parts(z, d, &x, created);
	zip_add(z, "word/document.xml", x.xml.data, x.xml.len);
	zip_add(z, "word/_rels/document.xml.rels", rels.data, rels.len);
	add_pictures(z, &x);
	zip_finish(z, out);
	zip_free(z);
}
