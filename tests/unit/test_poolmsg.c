/* The words on the pool's socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "buf.h"
#include "mem.h"
#include "poolmsg.h"

static int parse(const char *text, struct pool_request *req)
{
	struct error err = { 0 };
	int r = pool_request_parse(text, strlen(text), req, &err);

	assert_int_equal(err.code, r);
	if (r < 0)
		assert_true(err.text[0] != '\0');
	return r;
}

static void test_reads_a_lease_request(void **state)
{
	struct pool_request req;

	(void)state;
	assert_int_equal(parse("{\"op\":\"lease\",\"class\":\"document\",\"wait_ms\":100,"
			       "\"ttl_ms\":2000,\"tag\":\"job-1\"}\n",
			       &req),
			 0);
	assert_int_equal(req.op, POOL_OP_LEASE);
	assert_int_equal(req.cls, POOL_DOCUMENT);
	assert_int_equal(req.wait_ms, 100);
	assert_int_equal(req.ttl_ms, 2000);
	assert_string_equal(req.tag, "job-1");
}

static void test_times_and_tag_may_be_left_out(void **state)
{
	struct pool_request req;

	(void)state;
	assert_int_equal(parse("{\"op\":\"lease\",\"class\":\"check\"}", &req), 0);
	assert_int_equal(req.wait_ms, 0);
	assert_int_equal(req.ttl_ms, 0);
	assert_string_equal(req.tag, "");
	assert_string_equal(req.key, "");
	assert_false(req.hidden);
}

static void test_a_page_may_be_asked_for_hidden(void **state)
{
	struct pool_request req;
	json_t *root;

	(void)state;
	assert_int_equal(parse("{\"op\":\"lease\",\"class\":\"check\",\"hidden\":true}", &req), 0);
	assert_true(req.hidden);
	root = pool_request_format(&req);
	assert_true(json_is_true(json_object_get(root, "hidden")));
	json_decref(root);
	assert_int_equal(parse("{\"op\":\"lease\",\"class\":\"check\",\"hidden\":false}", &req), 0);
	assert_false(req.hidden);
}

static void test_reads_the_ops_for_people(void **state)
{
	struct pool_request req;

	(void)state;
	assert_int_equal(parse("{\"op\":\"status\"}", &req), 0);
	assert_int_equal(req.op, POOL_OP_STATUS);
	assert_int_equal(parse("{\"op\":\"drain\"}", &req), 0);
	assert_int_equal(req.op, POOL_OP_DRAIN);
	assert_int_equal(parse("{\"op\":\"recycle\"}", &req), 0);
	assert_int_equal(req.op, POOL_OP_RECYCLE);
	assert_int_equal(parse("{\"op\":\"pause\"}", &req), 0);
	assert_int_equal(req.op, POOL_OP_PAUSE);
	assert_int_equal(parse("{\"op\":\"resume\"}", &req), 0);
	assert_int_equal(req.op, POOL_OP_RESUME);
	assert_int_equal(parse("{\"op\":\"kill\",\"lease\":7}", &req), 0);
	assert_int_equal(req.op, POOL_OP_KILL);
	assert_int_equal(req.lease, 7);
}

static void test_refuses_bad_requests_with_a_sentence(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"{\"op\":\"lease\",\"class\":\"check\",\"hidden\":1}",
		"{\"op\":\"lease\",\"class\":\"check\",\"hidden\":true,\"mode\":\"browser\"}",
		"[]",
		"{}",
		"null",
		"{\"op\":1}",
		"{\"op\":\"dance\"}",
		"{\"op\":\"lease\"}",
		"{\"op\":\"status\",\"op\":\"drain\"}",
		"{\"op\":\"lease\",\"class\":\"vip\"}",
		"{\"op\":\"lease\",\"class\":\"check\",\"wait_ms\":-1}",
		"{\"op\":\"lease\",\"class\":\"check\",\"ttl_ms\":1.5}",
		"{\"op\":\"lease\",\"class\":\"check\",\"ttl_ms\":\"1\"}",
		"{\"op\":\"lease\",\"class\":\"check\",\"tag\":7}",
		"{\"op\":\"lease\",\"class\":\"check\",\"tag\":\"a b\"}",
		"{\"op\":\"lease\",\"class\":\"check\",\"tag\":\"a\\nb\"}",
		"{\"op\":\"lease\",\"class\":\"check\",\"tag\":\"\xc3\xa9\"}",
		("{\"op\":\"lease\",\"class\":\"check\",\"tag\":"
		 "\"0123456789012345678901234567890123456789012345678901234567890123\"}"),
		"{\"op\":\"lease\",\"class\":\"check\",\"client\":\"a b\"}",
		"{\"op\":\"kill\"}",
		"{\"op\":\"kill\",\"lease\":\"7\"}",
		"{\"op\":\"kill\",\"lease\":-7}",
		"{\"op\":\"lease\",\"class\":\"check\",\"key\":\"a b\"}",
		"{\"op\":\"lease\",\"class\":\"check\",\"key\":null}",
		"{\"op\":\"lease\",\"class\":\"check\",\"idle_ms\":-1}",
		("{\"op\":\"lease\",\"class\":\"check\",\"key\":"
		 "\"01234567890123456789012345678901234567890123456789012345678901234\"}"),
		"{\"op\":\"status\",\"x\":\"\xff\"}",
	};
	struct pool_request req;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i], &req) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void test_refuses_a_request_over_its_limit(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT;
	struct pool_request req;

	(void)state;
	buf_add_str(&b, "{\"op\":\"status\"}");
	while (b.len <= POOL_MAX_REQUEST)
		buf_add_char(&b, ' ');
	assert_int_equal(parse(b.data, &req), -EBADMSG);
}

static void test_formats_what_it_reads(void **state)
{
	struct pool_request req = {
		.op = POOL_OP_LEASE, .cls = POOL_CHECK, .wait_ms = 5, .ttl_ms = 6, .tag = "t",
		.client = "c", .key = "moodle:7", .idle_ms = 8
	};
	struct pool_request again;
	json_t *root = pool_request_format(&req);
	CLEANUP_FREE char *text = json_dumps(root, JSON_COMPACT);

	(void)state;
	json_decref(root);
	assert_int_equal(parse(text, &again), 0);
	assert_int_equal(again.op, req.op);
	assert_int_equal(again.cls, req.cls);
	assert_int_equal(again.wait_ms, req.wait_ms);
	assert_int_equal(again.ttl_ms, req.ttl_ms);
	assert_string_equal(again.tag, req.tag);
	assert_string_equal(again.client, req.client);
	assert_string_equal(again.key, req.key);
	assert_int_equal(again.idle_ms, req.idle_ms);
}

static void test_names_go_both_ways(void **state)
{
	(void)state;
	for (int i = 0; i < POOL_REASON_COUNT; i++)
		assert_int_equal(pool_reason_parse(pool_reason_name((enum pool_reason)i)), i);
	for (int i = 0; i < POOL_CLASS_COUNT; i++)
		assert_int_equal(pool_class_parse(pool_class_name((enum pool_class)i)), i);
	assert_int_equal(pool_reason_parse("bored"), -1);
	assert_int_equal(pool_class_parse(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_lease_request),
		cmocka_unit_test(test_times_and_tag_may_be_left_out),
		cmocka_unit_test(test_a_page_may_be_asked_for_hidden),
		cmocka_unit_test(test_reads_the_ops_for_people),
		cmocka_unit_test(test_refuses_bad_requests_with_a_sentence),
		cmocka_unit_test(test_refuses_a_request_over_its_limit),
		cmocka_unit_test(test_formats_what_it_reads),
		cmocka_unit_test(test_names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
