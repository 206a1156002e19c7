#include "cmocka_all.h"

#include <errno.h>

#include "base64.h"
#include "blocks.h"
#include "clean.h"
#include "document.h"
#include "href.h"
#include "mem.h"

/* ------------------------------------------------------------ helpers */

static int parse(const char *json, struct blocks *b, bool *truncated)
{
	json_t *value = json_loads(json, JSON_ALLOW_NUL, NULL);
	struct error err;
	int r;

	assert_non_null(value);
	r = blocks_parse(value, b, truncated, &err);
	json_decref(value);
	return r;
}

static char *dump(const struct blocks *b)
{
	json_t *json = blocks_to_json(b);
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(json);
	return text;
}

static void assert_clean(const char *in, size_t len, const char *expected)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	clean_text(&out, in, len);
	assert_string_equal(out.data, expected);
	assert_int_equal(out.len, strlen(expected));
}

static void assert_href(const char *in, const char *expected)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;
	bool ok = href_clean(in, &out);

	assert_int_equal(ok, expected != NULL);
	assert_string_equal(out.data, expected ? expected : "");
}

/* ------------------------------------------------------------ text */

static void text_loses_what_xml_cannot_hold(void **state)
{
	(void)state;
	assert_clean("a\0b", 3, "ab");
	assert_clean("\x01\x08\x0b\x0c\x0e\x1f\x7fx", 8, "x");
	assert_clean("tab\tline\nend", 12, "tab\tline\nend");
	assert_clean("a\r\nb\rc", 6, "a\nb\nc");
	assert_clean("\xef\xbf\xbe\xef\xbf\xbfx", 7, "x");     /* U+FFFE, U+FFFF */
	assert_clean("\xf0\x9f\xbf\xbfx", 5, "x");	       /* U+1FFFF */
	assert_clean("\xed\xa0\x80x", 4, "x");		       /* half of a pair */
	assert_clean("\xc0\xaf\xff\xfe\x80x\xe2\x82", 8, "x"); /* overlong, stray, cut off */
	assert_clean("\xe2\x80\xaex", 4, "x");		       /* right-to-left override */
	assert_clean("]]> <&>\"' \xf0\x9f\x98\x80", 14, "]]> <&>\"' \xf0\x9f\x98\x80");
}

static void a_line_has_single_spaces_and_no_ends(void **state)
{
	CLEANUP_FREE char *line = clean_new_line("  a \t\n b\x01  ", 100);
	CLEANUP_FREE char *cut = clean_new_line("a\xc3\xa9z", 2);
	CLEANUP_FREE char *none = clean_new_line(NULL, 100);

	(void)state;
	assert_string_equal(line, "a b");
	assert_string_equal(cut, "a");
	assert_string_equal(none, "");
}

static void the_first_letter_decides_the_direction(void **state)
{
	(void)state;
	assert_false(clean_is_rtl(""));
	assert_false(clean_is_rtl("12. !"));
	assert_false(clean_is_rtl("Hebrew: \xd7\xa9"));
	assert_true(clean_is_rtl("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d abc"));
	assert_true(clean_is_rtl("1. \xd8\xb3 \xe2\x80\x9cx"));
	assert_false(clean_is_rtl("\xe0\xa4\x93\xe0\xa4\xae")); /* Devanagari */
}

static void only_plain_addresses_pass(void **state)
{
	(void)state;
	assert_href("https://a.example/x?y=1&z=2#f", "https://a.example/x?y=1&z=2#f");
	assert_href("HTTP://A.example:8080", "http://A.example:8080/");
	assert_href("https://a.example?q", "https://a.example/?q");
	assert_href("https://a/\"><script>#a#b", "https://a/%22%3E%3Cscript%3E#a%23b");
	assert_href("https://a/100%/%41 \xc3\xa9", "https://a/100%25/%41%20%C3%A9");
	assert_href("https://a/{x}[1]|\\^`", "https://a/%7Bx%7D%5B1%5D%7C%5C%5E%60");
	assert_href("mailto:a.b+c@d.example?subject=x y", "mailto:a.b+c@d.example?subject=x%20y");
	assert_href("javascript:alert(1)", NULL);
	assert_href(" https://a/", NULL);
	assert_href("https:///x", NULL);
	assert_href("https://user:pass@a/", NULL);
	assert_href("https://a:99999/", NULL);
	assert_href("https://a:/", NULL);
	assert_href("https://[::1]/", NULL);
	assert_href("https://a..b/", NULL);
	assert_href("https://caf\xc3\xa9.example/", NULL);
	assert_href("https://a/\n", NULL);
	assert_href("https://a/\xff", NULL);
	assert_href("file:///etc/passwd", NULL);
	assert_href("data:text/html,x", NULL);
	assert_href("mailto:a@b@c", NULL);
	assert_href("mailto:@b", NULL);
	assert_href("mailto:a", NULL);
	assert_href("", NULL);
}

static void an_endless_address_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	(void)state;
	buf_add_str(&text, "https://a/");
	for (int i = 0; i < 1900; i++)
		buf_add_char(&text, ' '); /* three bytes each when encoded */
	assert_false(href_clean(text.data, &out));
	assert_int_equal(out.len, 0);
}

static void base64_comes_back(void **state)
{
	static const char *const bad[] = {
		"A", "AA", "AAA", "====", "A===", "AA=A", "A AA", "AA\n="};
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP(buf_done) struct buf bytes = BUF_INIT;

	(void)state;
	for (size_t len = 0; len < 8; len++) {
		buf_clear(&text);
		buf_clear(&bytes);
		base64_encode("\xff\x00pen\x80sum", len, &text);
		assert_true(base64_decode(text.data, text.len, &bytes));
		assert_int_equal(bytes.len, len);
		assert_memory_equal(bytes.data, "\xff\x00pen\x80sum", len);
	}
	buf_clear(&bytes);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(base64_decode(bad[i], strlen(bad[i]), &bytes));
	assert_int_equal(bytes.len, 0);
}

/* ------------------------------------------------------------ blocks */

static const char every_type[] =
	"[{\"type\":\"heading\",\"level\":2,\"runs\":[{\"t\":\"H\"}]},"
	"{\"type\":\"paragraph\",\"runs\":[{\"t\":\"a\",\"b\":true,\"i\":true,\"code\":true},"
	"{\"t\":\"x\",\"sub\":true},{\"t\":\"y\",\"sup\":true},"
	"{\"t\":\"l\",\"href\":\"https://a/\"},{\"t\":\"[z]\",\"todo\":true}]},"
	"{\"type\":\"quote\",\"runs\":[{\"t\":\"q\"}]},"
	"{\"type\":\"callout\",\"runs\":[{\"t\":\"c\"}]},"
	"{\"type\":\"list\",\"ordered\":true,\"items\":[{\"runs\":[{\"t\":\"1\"}],\"children\":["
	"{\"type\":\"list\",\"ordered\":false,\"items\":[{\"runs\":[{\"t\":\"b\"}]}]}]}]},"
	"{\"type\":\"list\",\"ordered\":false,\"check\":true,\"items\":[{\"runs\":[]}]},"
	"{\"type\":\"code\",\"text\":\"a\\n\\tb\"},"
	"{\"type\":\"table\",\"caption\":\"T\",\"labels\":true,\"header\":[[{\"t\":\"h\"}],[]],"
	"\"rows\":[[[{\"t\":\"1\"}],[{\"t\":\"2\"}]]]},"
	"{\"type\":\"image\",\"src\":\"https://a/b.png\",\"alt\":\"A\",\"mime\":\"image/png\","
	"\"data\":\"iVBORw==\"},"
	"{\"type\":\"rule\"}]";

static void every_type_comes_back_as_it_went_in(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	CLEANUP(blocks_done) struct blocks copy = BLOCKS_INIT;
	json_t *in = json_loads(every_type, 0, NULL), *out;
	bool truncated = true;

	(void)state;
	assert_int_equal(blocks_parse(in, &b, &truncated, NULL), 0);
	assert_false(truncated);
	assert_int_equal(b.count, 10);
	out = blocks_to_json(&b);
	assert_true(json_equal(in, out));
	json_decref(out);
	for (size_t i = 0; i < b.count; i++)
		blocks_copy(&copy, &b.at[i]);
	out = blocks_to_json(&copy);
	assert_true(json_equal(in, out));
	json_decref(out);
	json_decref(in);
}

static void text_and_addresses_are_clean_after_reading(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	bool truncated;

	(void)state;
	assert_int_equal(parse("[{\"type\":\"paragraph\",\"runs\":["
			       "{\"t\":\"a\\u0000\\u0001b\",\"href\":\"javascript:x\"},"
			       "{\"t\":\"\\u0002\"}]},"
			       "{\"type\":\"code\",\"text\":\"a\\u0000b\"}]",
			       &b, &truncated),
			 0);
	assert_string_equal(b.at[1].text, "ab");
	assert_int_equal(b.at[0].runs.count, 1);
	assert_string_equal(b.at[0].runs.at[0].text, "ab");
	assert_null(b.at[0].runs.at[0].href);
}

static void what_is_not_of_the_form_is_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[1]",
		"[{}]",
		"[{\"type\":7}]",
		"[{\"type\":\"script\"}]",
		"[{\"type\":\"paragraph\"}]",
		"[{\"type\":\"paragraph\",\"runs\":{}}]",
		"[{\"type\":\"paragraph\",\"runs\":[{\"t\":1}]}]",
		"[{\"type\":\"paragraph\",\"runs\":[{\"t\":\"x\",\"href\":1}]}]",
		"[{\"type\":\"heading\",\"runs\":[]}]",
		"[{\"type\":\"heading\",\"level\":7,\"runs\":[]}]",
		"[{\"type\":\"heading\",\"level\":-1,\"runs\":[]}]",
		"[{\"type\":\"code\",\"text\":[]}]",
		"[{\"type\":\"list\",\"items\":{}}]",
		"[{\"type\":\"list\",\"items\":[{}]}]",
		("[{\"type\":\"list\",\"items\":[{\"runs\":[],\"children\":[{\"type\":\"rule\"}]}]}"
		 "]"),
		"[{\"type\":\"list\",\"items\":[{\"runs\":[],\"children\":7}]}]",
		"[{\"type\":\"table\"}]",
		"[{\"type\":\"table\",\"rows\":[[7]]}]",
		"[{\"type\":\"table\",\"header\":[1],\"rows\":[]}]",
		"[{\"type\":\"image\",\"src\":7,\"alt\":\"\"}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
		bool truncated;
		int r = parse(bad[i], &b, &truncated);

		if (r != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(b.count, 0);
	}
}

static json_t *nested_list(int depth)
{
	json_t *children = depth > 1 ? json_pack("[o]", nested_list(depth - 1)) : json_array();

	return json_pack("{s:s s:b s:[{s:[{s:s}] s:o}]}", "type", "list", "ordered", 1, "items",
			 "runs", "t", "x", "children", children);
}

static void deeper_lists_are_cut(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	json_t *json = json_pack("[o]", nested_list(50));
	const struct blocks *at = &b;
	bool truncated = false;
	int depth = 0;

	(void)state;
	assert_int_equal(blocks_parse(json, &b, &truncated, NULL), 0);
	json_decref(json);
	for (; at->count > 0; at = &at->at[0].list.items[0].children)
		depth++;
	assert_int_equal(depth, BLOCKS_MAX_DEPTH);
	assert_true(truncated);
}

/* n copies of a JSON value, a reference of which is taken. */
static json_t *many(json_t *value, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append(array, value);
	json_decref(value);
	return array;
}

static void more_than_the_limits_is_cut_not_refused(void **state)
{
	struct {
		json_t *json;
		size_t count;
	} cases[] = {
		{many(json_pack("{s:s}", "type", "rule"), 1000), BLOCKS_MAX},
		{json_pack("[{s:s s:o}]", "type", "paragraph", "runs",
			   many(json_pack("{s:s}", "t", "x"), BLOCKS_MAX_RUNS + 5)),
		 1},
		{json_pack("[{s:s s:o}]", "type", "list", "items",
			   many(json_pack("{s:[]}", "runs"), BLOCKS_MAX_ITEMS + 5)),
		 1},
		{json_pack("[{s:s s:o}]", "type", "table", "rows",
			   many(many(json_array(), 100), 100)),
		 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
		bool truncated = false;

		assert_int_equal(blocks_parse(cases[i].json, &b, &truncated, NULL), 0);
		assert_true(truncated);
		assert_int_equal(b.count, cases[i].count);
		json_decref(cases[i].json);
	}
}

static void text_ends_at_its_limit_between_characters(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	bool truncated = false;
	json_t *json;

	(void)state;
	buf_add_char(&text, 'x');
	while (text.len < BLOCKS_MAX_TEXT + 100)
		buf_add_str(&text, "\xc3\xa9");
	json = json_pack("[{s:s s:s}]", "type", "code", "text", text.data);
	assert_int_equal(blocks_parse(json, &b, &truncated, NULL), 0);
	json_decref(json);
	assert_true(truncated);
	assert_int_equal(strlen(b.at[0].text), BLOCKS_MAX_TEXT - 1);
}

static void line_breaks_have_a_limit_of_their_own(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	CLEANUP_FREE char *text = mem_zalloc(100001);
	bool truncated = false;
	json_t *json;

	(void)state;
	memset(text, '\n', 100000);
	json = json_pack("[{s:s s:s}]", "type", "code", "text", text);
	assert_int_equal(blocks_parse(json, &b, &truncated, NULL), 0);
	json_decref(json);
	assert_true(truncated);
	assert_int_equal(strlen(b.at[0].text), BLOCKS_MAX_LINES);
}

static void a_ragged_table_becomes_a_grid(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	bool truncated;

	(void)state;
	assert_int_equal(parse("[{\"type\":\"table\",\"caption\":null,\"header\":[],\"rows\":"
			       "[[[{\"t\":\"a\"}]],[[],[],[{\"t\":\"b\"}]]]}]",
			       &b, &truncated),
			 0);
	assert_int_equal(b.at[0].table.rows, 2);
	assert_int_equal(b.at[0].table.columns, 3);
	assert_false(b.at[0].table.has_header);
	assert_int_equal(table_cell(&b.at[0].table, 0, 2)->count, 0);
	assert_string_equal(table_cell(&b.at[0].table, 1, 2)->at[0].text, "b");
}

static void a_damaged_picture_loses_its_data_only(void **state)
{
	CLEANUP(blocks_done) struct blocks b = BLOCKS_INIT;
	bool truncated;

	(void)state;
	assert_int_equal(parse("[{\"type\":\"image\",\"src\":\"file:///x\",\"alt\":\"A\","
			       "\"data\":\"%%%\"}]",
			       &b, &truncated),
			 0);
	assert_string_equal(b.at[0].image.src, "");
	assert_int_equal(b.at[0].image.data.len, 0);
	assert_string_equal(b.at[0].text, "A");
}

/* ------------------------------------------------------------ documents */

static void equal_documents_have_one_canonical_text(void **state)
{
	CLEANUP(buf_done) struct buf one = BUF_INIT;
	CLEANUP(buf_done) struct buf two = BUF_INIT;
	CLEANUP(document_done) struct document d;
	CLEANUP_FREE char *json = NULL;

	(void)state;
	document_init(&d);
	document_set(&d.title, " A \n title ");
	document_set_url(&d, "javascript:1");
	runs_add(&blocks_add(&d.blocks, BLOCK_PARAGRAPH, NULL)->runs, "x", 0, NULL);
	document_canonical(&d, &one);
	document_canonical(&d, &two);
	assert_string_equal(one.data, two.data);
	assert_string_equal(one.data,
			    "{\"ai\":false,\"author\":\"\",\"blocks\":[{\"runs\":[{\"t\":\"x\"}],"
			    "\"type\":\"paragraph\"}],\"course\":\"\",\"lang\":\"en-GB\","
			    "\"roll\":\"\",\"title\":\"A title\",\"url\":\"\"}");
	document_set(&d.roll, "7");
	buf_clear(&two);
	document_canonical(&d, &two);
	assert_string_not_equal(one.data, two.data);
	json = dump(&d.blocks);
	assert_string_equal(json, "[{\"runs\":[{\"t\":\"x\"}],\"type\":\"paragraph\"}]");
}

static void the_language_is_a_plain_tag(void **state)
{
	static const char *const cases[][2] = {
		{"de", "de"},  {"pt_br", "pt-BR"}, {"EN-us", "en-US"},	 {"en", "en-GB"},
		{"", "en-GB"}, {"x\"><", "en-GB"}, {"de_kids", "en-GB"}, {"abcd", "en-GB"},
	};
	CLEANUP(document_done) struct document d;

	(void)state;
	document_init(&d);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		document_set_lang(&d, cases[i][0]);
		assert_string_equal(d.lang, cases[i][1]);
	}
	document_set_lang(&d, NULL);
	assert_string_equal(d.lang, "en-GB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_loses_what_xml_cannot_hold),
		cmocka_unit_test(a_line_has_single_spaces_and_no_ends),
		cmocka_unit_test(the_first_letter_decides_the_direction),
		cmocka_unit_test(only_plain_addresses_pass),
		cmocka_unit_test(an_endless_address_is_refused),
		cmocka_unit_test(base64_comes_back),
		cmocka_unit_test(every_type_comes_back_as_it_went_in),
		cmocka_unit_test(text_and_addresses_are_clean_after_reading),
		cmocka_unit_test(what_is_not_of_the_form_is_refused),
		cmocka_unit_test(deeper_lists_are_cut),
		cmocka_unit_test(more_than_the_limits_is_cut_not_refused),
		cmocka_unit_test(text_ends_at_its_limit_between_characters),
		cmocka_unit_test(line_breaks_have_a_limit_of_their_own),
		cmocka_unit_test(a_ragged_table_becomes_a_grid),
		cmocka_unit_test(a_damaged_picture_loses_its_data_only),
		cmocka_unit_test(equal_documents_have_one_canonical_text),
		cmocka_unit_test(the_language_is_a_plain_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
