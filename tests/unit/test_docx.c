/* What the writer says in XML; tests/unit/docx/ judges whole files with other programs. */
#include "cmocka_all.h"

#include "docx.h"
#include "docx_body.h"
#include "mem.h"
#include "ooxml.h"
#include "picture.h"

static const unsigned char png[33] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
				      'I',  'H', 'D', 'R', 0,	 0,    2,    0x80, 0, 0, 1, 0};
static const unsigned char jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 'x', 'x', 0xff, 0xff, 0xc2,
				     0,	   11,	 8,    1,    0, 2, 0,	3,   0,	   0,	 0};

static void count_in(const char *xml, const char *what, int expected)
{
	int count = 0;

	for (const char *at = xml; (at = strstr(at, what)) != NULL; at++)
		count++;
	if (count != expected)
		fail_msg("%s stands %d times, not %d, in\n%s", what, count, expected, xml);
}

static void body_of(const struct document *d, struct docx_body *x)
{
	*x = (struct docx_body)DOCX_BODY_INIT;
	docx_body_write(x, d);
}

static void names_in_a_part_are_filled_and_escaped(void **state)
{
	const struct ooxml_field fields[] = {{.name = "A", .text = "<&>\"'\n]]>"},
					     {.name = "B", .xml = "<b/>"}};
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	(void)state;
	ooxml_expand(&out, "<x>@A@</x>@B@.", fields, 2);
	assert_string_equal(out.data, "<x>&lt;&amp;&gt;&quot;'&#10;]]&gt;</x><b/>.");
}

static void sizes_are_read_from_headers(void **state)
{
	struct picture p;

	(void)state;
	assert_true(picture_read(png, sizeof(png), &p));
	assert_int_equal(p.type, PICTURE_PNG);
	assert_int_equal(p.width, 640);
	assert_int_equal(p.height, 256);
	assert_true(picture_read(jpeg, sizeof(jpeg), &p));
	assert_int_equal(p.type, PICTURE_JPEG);
	assert_int_equal(p.width, 512);
	assert_int_equal(p.height, 256);
}

static void cut_or_senseless_pictures_are_refused(void **state)
{
	unsigned char bad[sizeof(png)];
	struct picture p;

	(void)state;
	for (size_t len = 0; len < sizeof(png); len++)
		assert_false(picture_read(png, len, &p));
	for (size_t len = 0; len < 18; len++)
		assert_false(picture_read(jpeg, len, &p));
	memcpy(bad, png, sizeof(bad));
	memset(bad + 16, 0, 4);
	assert_false(picture_read(bad, sizeof(bad), &p));
	memset(bad + 16, 0xff, 4);
	assert_false(picture_read(bad, sizeof(bad), &p));
	assert_false(picture_read("\xff\xd8\xff\xda\0\2\0\0\0\0\0\0", 12, &p));
	assert_false(picture_read("\xff\xd8\xff\xe0\0\0\0\0\0\0\0\0", 12, &p));
}

static void each_numbered_list_counts_from_one(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;

	(void)state;
	document_init(&d);
	for (int i = 0; i < 3; i++) {
		enum list_style style = i < 2 ? LIST_NUMBERS : LIST_BULLETS;
		struct list *list = &blocks_add_list(&d.blocks, style)->list;

		runs_add(&list_add_item(list)->runs, "one", 0, NULL);
		runs_add(&list_add_item(list)->runs, "two", 0, NULL);
	}
	body_of(&d, &x);
	assert_int_equal(x.number_count, 2);
	count_in(x.xml.data, "<w:numId w:val=\"1\"/>", 2);
	count_in(x.xml.data, "<w:numId w:val=\"2\"/>", 2);
	count_in(x.xml.data, "<w:numId w:val=\"3\"/>", 2);
}

static void equal_addresses_share_a_relationship(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;
	struct runs *runs;

	(void)state;
	document_init(&d);
	runs = &blocks_add(&d.blocks, BLOCK_PARAGRAPH, NULL)->runs;
	runs_add(runs, "a", 0, "https://a/");
	runs_add(runs, "b", 0, "https://b/");
	runs_add(runs, "c", 0, "https://a/");
	runs_add(runs, "d", 0, "javascript:1");
	body_of(&d, &x);
	assert_int_equal(x.link_count, 2);
	count_in(x.xml.data, "<w:hyperlink r:id=\"rIdL1\"", 2);
	count_in(x.xml.data, "<w:hyperlink ", 3);
}

static void breaks_tabs_and_spaces_keep_their_meaning(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;

	(void)state;
	document_init(&d);
	runs_add(&blocks_add(&d.blocks, BLOCK_PARAGRAPH, NULL)->runs, " a\nb\t", 0, NULL);
	body_of(&d, &x);
	count_in(x.xml.data,
		 "<w:t xml:space=\"preserve\"> a</w:t><w:br/>"
		 "<w:t xml:space=\"preserve\">b</w:t><w:tab/></w:r>",
		 1);
}

static void code_is_a_paragraph_a_line(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;

	(void)state;
	document_init(&d);
	blocks_add(&d.blocks, BLOCK_CODE, "a\n\nb");
	blocks_add(&d.blocks, BLOCK_CODE, "");
	body_of(&d, &x);
	count_in(x.xml.data, "<w:pStyle w:val=\"Code\"/>", 4);
	count_in(x.xml.data, "<w:t xml:space=\"preserve\"> </w:t>", 2);
}

static void pictures_fit_the_page_and_have_words(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;
	struct block *block;

	(void)state;
	document_init(&d);
	block = blocks_add(&d.blocks, BLOCK_IMAGE, "a \"b\"\nc");
	buf_add(&block->image.data, png, sizeof(png));
	block = blocks_add(&d.blocks, BLOCK_IMAGE, NULL);
	buf_add(&block->image.data, "not a picture", 13);
	body_of(&d, &x);
	assert_int_equal(x.picture_count, 1);
	count_in(x.xml.data, "descr=\"a &quot;b&quot;&#10;c\"", 1);
	count_in(x.xml.data, "<wp:extent cx=\"6096000\" cy=\"2438400\"/>", 1);
	count_in(x.xml.data, "Picture from the assignment", 1);
}

static void tables_that_touch_are_parted(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;

	(void)state;
	document_init(&d);
	blocks_add_table(&d.blocks, "", 1, 1);
	blocks_add_table(&d.blocks, "", 1, 1);
	body_of(&d, &x);
	count_in(x.xml.data, "</w:tbl><w:p><w:pPr><w:pStyle w:val=\"AfterTable\"/></w:pPr></w:p>",
		 2);
}

static void right_to_left_paragraphs_say_so(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(docx_body_done) struct docx_body x;

	(void)state;
	document_init(&d);
	runs_add(&blocks_add(&d.blocks, BLOCK_PARAGRAPH, NULL)->runs, "\xd7\xa9\xd7\x9c", 0, NULL);
	runs_add(&blocks_add(&d.blocks, BLOCK_PARAGRAPH, NULL)->runs, "abc", 0, NULL);
	body_of(&d, &x);
	count_in(x.xml.data, "<w:bidi/>", 1);
	count_in(x.xml.data, "<w:rtl/>", 1);
}

static void the_bytes_depend_on_document_and_time_alone(void **state)
{
	CLEANUP(document_done) struct document d;
	CLEANUP(buf_done) struct buf a = BUF_INIT;
	CLEANUP(buf_done) struct buf b = BUF_INIT;
	CLEANUP(buf_done) struct buf c = BUF_INIT;

	(void)state;
	document_init(&d);
	document_set(&d.title, "T");
	docx_write(&d, 1000, &a);
	docx_write(&d, 1000, &b);
	docx_write(&d, INT64_MAX, &c);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_memory_equal(a.data + 30, "[Content_Types].xml", 19);
	assert_true(c.len != a.len || memcmp(a.data, c.data, a.len) != 0);
}

static void file_names_are_fit_for_every_platform(void **state)
{
	static const char *const cases[][3] = {
		{"PHY101", "Lab 3: Ohm's law", "PHY101-Lab-3-Ohm-s-law-draft.docx"},
		{"", "", "assignment-draft.docx"},
		{NULL, NULL, "assignment-draft.docx"},
		{"...", "../../etc/passwd", "etc-passwd-draft.docx"},
		{"con.", "x", "con-x-draft.docx"},
		{"a/b\\c", "<d>|?*\"\n\x01", "a-b-c-d-draft.docx"},
		{"--a--", "--b--", "a-b-draft.docx"},
		{"\xe0\xa4\x93\xe0\xa4\xae",
		 "\xc3\x9c"
		 "bung 1",
		 "\xe0\xa4\x93\xe0\xa4\xae-\xc3\x9c"
		 "bung-1-draft.docx"},
		{"x\xe2\x80\xae"
		 "fdp.exe",
		 "y\xff", "xfdp-exe-y-draft.docx"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *name = docx_file_name(cases[i][0], cases[i][1]);

		assert_string_equal(name, cases[i][2]);
	}
}

static void long_file_names_are_cut_between_characters(void **state)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP_FREE char *name = NULL;

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_add_str(&text, "\xe0\xa4\x93");
	name = docx_file_name(text.data, text.data);
	assert_in_range(strlen(name), 110, DOCX_FILE_NAME_MAX);
	assert_int_equal((strlen(name) - strlen("--draft.docx")) % 3, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_a_part_are_filled_and_escaped),
		cmocka_unit_test(sizes_are_read_from_headers),
		cmocka_unit_test(cut_or_senseless_pictures_are_refused),
		cmocka_unit_test(each_numbered_list_counts_from_one),
		cmocka_unit_test(equal_addresses_share_a_relationship),
		cmocka_unit_test(breaks_tabs_and_spaces_keep_their_meaning),
		cmocka_unit_test(code_is_a_paragraph_a_line),
		cmocka_unit_test(pictures_fit_the_page_and_have_words),
		cmocka_unit_test(tables_that_touch_are_parted),
		cmocka_unit_test(right_to_left_paragraphs_say_so),
		cmocka_unit_test(the_bytes_depend_on_document_and_time_alone),
		cmocka_unit_test(file_names_are_fit_for_every_platform),
		cmocka_unit_test(long_file_names_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
