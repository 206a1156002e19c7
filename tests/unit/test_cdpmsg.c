/* The scanner that every CDP message passes, and the two rewrites. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "buf.h"
#include "cdpmsg.h"
#include "jsonscan.h"
#include "mem.h"

/* The text stands in memory of its exact size, so that a read behind it is caught. */
static int scan(const char *text, size_t len, struct cdpmsg *m, char **copy)
{
	*copy = malloc(len ? len : 1);
	memcpy(*copy, text, len);
	return cdpmsg_scan(*copy, len, m, NULL);
}

static int scan_result(const char *text)
{
	CLEANUP_FREE char *copy = NULL;
	struct cdpmsg m;

	return scan(text, strlen(text), &m, &copy);
}

static void flatten(const struct cdp_pieces *pieces, struct buf *b)
{
	for (size_t i = 0; i < pieces->count; i++)
		buf_add(b, pieces->at[i].data, pieces->at[i].len);
	assert_int_equal(b->len, pieces->bytes);
}

static void assert_readdressed(const char *text, int64_t id, const char *session,
			       const char *expected)
{
	CLEANUP_FREE char *copy = NULL;
	CLEANUP(buf_done) struct buf b = BUF_INIT;
	struct cdp_pieces pieces;
	struct cdpmsg m;

	assert_int_equal(scan(text, strlen(text), &m, &copy), 0);
	cdpmsg_readdress(&m, id, session, &pieces);
	flatten(&pieces, &b);
	assert_string_equal(b.data, expected);
}

static void test_finds_what_stands_at_the_top_only(void **state)
{
	static const char text[] =
		" {\"id\": 12,\"params\":{\"id\":3,\"method\":\"X\",\"a\":[1,{}]} , "
		"\"method\":\"Page.enable\",\"sessionId\":\"S1\"}\n";
	CLEANUP_FREE char *copy = NULL;
	struct cdpmsg m;

	(void)state;
	assert_int_equal(scan(text, strlen(text), &m, &copy), 0);
	assert_true(m.has_id);
	assert_int_equal(m.id, 12);
	assert_true(cdpmsg_method_is(&m, "Page.enable"));
	assert_false(cdpmsg_method_is(&m, "Page.enabl"));
	assert_true(cdpmsg_session_is(&m, "S1"));
	assert_memory_equal(m.text + m.params.at, "{\"id\":3,", 8);
}

static void test_an_empty_object_has_nothing(void **state)
{
	CLEANUP_FREE char *copy = NULL;
	struct cdpmsg m;

	(void)state;
	assert_int_equal(scan("{}", 2, &m, &copy), 0);
	assert_false(m.has_id);
	assert_int_equal(m.method.len, 0);
	assert_int_equal(m.session.len, 0);
}

static void test_refuses_what_is_not_one_json_object(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"[]",
		"1",
		"null",
		"{}{}",
		"{} x",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":tru}",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":1.}",
		"{\"a\":1e}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"",
		"{\"a\":[1,]}",
		"{\"a\":[1}",
		"{\"a\":{\"b\"}}",
		"{\"a\":{,}}",
		"{a:1}",
		"{'a':1}",
		"{/**/}",
		"{\"a\":1/**/}",
		"//\n{}",
		"{\"a\":NaN}",
		"{\"a\":+1}",
		"{\"a\":[[[[",
		"{\"a\":\"\\",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (scan_result(bad[i]) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void test_refuses_what_could_be_read_in_two_ways(void **state)
{
	static const char *const bad[] = {
		"{\"id\":1,\"id\":2}",
		"{\"method\":\"A\",\"method\":\"B\"}",
		"{\"sessionId\":\"A\",\"sessionId\":\"B\"}",
		"{\"params\":{},\"params\":{}}",
		"{\"\\u006dethod\":\"Browser.close\"}",
		"{\"method\":\"Browser\\u002eclose\"}",
		"{\"sessionId\":\"\"}",
		"{\"method\":\"\"}",
		"{\"method\":1}",
		"{\"id\":\"1\"}",
		"{\"id\":-1}",
		"{\"id\":1.0}",
		"{\"id\":1e2}",
		"{\"id\":null}",
		"{\"id\":9007199254740992}",
		"{\"id\":99999999999999999999999999}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (scan_result(bad[i]) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void test_accepts_the_whole_grammar(void **state)
{
	static const char *const good[] = {
		"{\"a\":[true,false,null,-0,0.5,1e9,-1.5E-3,\"\",\"\\\"\\\\\\/"
		"\\b\\f\\n\\r\\t\\u00e9\"]}",
		"{\"a\":{},\"b\":[],\"c\":[[],{}],\"d\":{\"e\":{\"f\":[{\"g\":1}]}}}",
		"\t{ \"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : \"}\" } }\r\n ",
		"{\"id\":9007199254740991}",
		"{\"a\":\"\xff\xfe not UTF-8, but that is asked elsewhere\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (scan_result(good[i]) != 0)
			fail_msg("refused: %s", good[i]);
}

static void test_depth_has_a_bound(void **state)
{
	(void)state;
	for (int depth = JSONSCAN_MAX_DEPTH; depth <= JSONSCAN_MAX_DEPTH + 1; depth++) {
		CLEANUP(buf_done) struct buf b = BUF_INIT;

		buf_add_str(&b, "{\"a\":");
		for (int i = 0; i < depth; i++)
			buf_add_char(&b, '[');
		for (int i = 0; i < depth; i++)
			buf_add_char(&b, ']');
		buf_add_char(&b, '}');
		assert_int_equal(scan_result(b.data), depth <= JSONSCAN_MAX_DEPTH ? 0 : -EBADMSG);
	}
}

static void test_every_cut_of_a_message_is_refused(void **state)
{
	static const char text[] =
		"{\"id\":1,\"method\":\"A.b\",\"params\":{\"a\":[\"\\u0041\",-1.5e3,true]},"
		"\"sessionId\":\"S\"}";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		CLEANUP_FREE char *copy = NULL;
		struct cdpmsg m;

		assert_int_equal(scan(text, len, &m, &copy), -EBADMSG);
	}
}

static void test_to_browser_changes_id_and_session(void **state)
{
	(void)state;
	assert_readdressed("{\"id\":1,\"method\":\"A.b\"}", 77, "ABC",
			   "{\"id\":77,\"method\":\"A.b\",\"sessionId\":\"ABC\"}");
	assert_readdressed("{\"method\":\"A.b\",\"params\":{\"x\":\"}\"}, \"id\" : 123 } \n", 77,
			   "ABC",
			   "{\"method\":\"A.b\",\"params\":{\"x\":\"}\"}, \"id\" : 77 "
			   ",\"sessionId\":\"ABC\"}");
	assert_readdressed("{\"sessionId\":\"s1\",\"id\":1,\"method\":\"A.b\"}", 77, "ABC",
			   "{\"sessionId\":\"ABC\",\"id\":77,\"method\":\"A.b\"}");
}

static void test_to_client_gives_the_id_back_and_renames_or_hides_the_session(void **state)
{
	(void)state;
	assert_readdressed("{\"id\":77,\"result\":{},\"sessionId\":\"ABC\"}", 5, NULL,
			   "{\"id\":5,\"result\":{}}");
	assert_readdressed("{\"id\":77,\"result\":{},\"sessionId\":\"ABC\"}", 5, "s12",
			   "{\"id\":5,\"result\":{},\"sessionId\":\"s12\"}");
	assert_readdressed("{\"sessionId\":\"ABC\",\"id\":77,\"result\":{}}", 5, NULL,
			   "{\"id\":5,\"result\":{}}");
	assert_readdressed(
		"{\"id\":77, \"sessionId\" : \"ABC\" , \"result\":{\"sessionId\":\"q\"}}", 5, NULL,
		"{\"id\":5 , \"result\":{\"sessionId\":\"q\"}}");
	assert_readdressed("{\"method\":\"A.b\",\"params\":{},\"sessionId\":\"ABC\"}", 0, NULL,
			   "{\"method\":\"A.b\",\"params\":{}}");
	assert_readdressed("{\"sessionId\":\"ABC\"}", 0, NULL, "{}");
	assert_readdressed("{\"sessionId\":\"ABC\"}", 0, "s1", "{\"sessionId\":\"s1\"}");
	assert_readdressed("{\"id\":77,\"result\":{}}", 5, NULL, "{\"id\":5,\"result\":{}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_stands_at_the_top_only),
		cmocka_unit_test(test_an_empty_object_has_nothing),
		cmocka_unit_test(test_refuses_what_is_not_one_json_object),
		cmocka_unit_test(test_refuses_what_could_be_read_in_two_ways),
		cmocka_unit_test(test_accepts_the_whole_grammar),
		cmocka_unit_test(test_depth_has_a_bound),
		cmocka_unit_test(test_every_cut_of_a_message_is_refused),
		cmocka_unit_test(test_to_browser_changes_id_and_session),
		cmocka_unit_test(test_to_client_gives_the_id_back_and_renames_or_hides_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
