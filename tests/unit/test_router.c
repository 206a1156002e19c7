#include "router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_guard.h"
#include "static.h"

#define ID    "0123456789abcdef01234567"
#define TOKEN "0123456789abcdef0123456789abcdef01234567-_A"

static void a_path_matches_its_pattern_and_nothing_else(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "/health", "/health", true },
		{ "/health", "/health/", false },
		{ "/health", "/Health", false },
		{ "/jobs/{id}", "/jobs/" ID, true },
		{ "/jobs/{id}", "/jobs/" ID "/", false },
		{ "/jobs/{id}", "/jobs/" ID "0", false },
		{ "/jobs/{id}", "/jobs/", false },
		{ "/jobs/{id}", "/jobs", false },
		{ "/jobs/{id}", "/jobs/0123456789ABCDEF01234567", false },
		{ "/jobs/{id}", "/jobs/0123456789abcdef0123456/", false },
		{ "/jobs/{id}/file", "/jobs/" ID "/file", true },
		{ "/jobs/{id}/file", "/jobs/" ID, false },
		{ "/jobs/{id}/file", "/jobs/" ID "/filex", false },
		{ "/c/{token}.ics", "/c/" TOKEN ".ics", true },
		{ "/c/{token}.ics", "/c/" TOKEN, false },
		{ "/c/{token}.ics", "/c/" TOKEN "x.ics", false },
		{ "/c/{token}.ics", "/c/x.ics", false },
		{ "/c/{token}.ics", "/c/.ics", false },
		{ "/c/{token}.ics", "/c/../../" TOKEN ".ics", false },
		{ "/c/{token}.ics", "/c/0123456789/bcdef0123456789abcdef0123456789-_A.ics", false },
		{ "/c/{token}.ics", "/d/" TOKEN ".ics", false },
	};
	char id[ROUTE_PARAM_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool matches = router_match(cases[i].pattern, cases[i].path, id);

		if (matches != cases[i].matches)
			fail_msg("%s against %s", cases[i].path, cases[i].pattern);
		if (matches && strstr(cases[i].pattern, "{id}") != NULL)
			assert_string_equal(id, ID);
		else if (matches && strstr(cases[i].pattern, "{token}") != NULL)
			assert_string_equal(id, TOKEN);
		else
			assert_string_equal(id, "");
	}
}

static void expect_path(const char *raw, const char *path)
{
	char *decoded = router_decode_path(raw);

	if (path == NULL)
		assert_null(decoded);
	else
		assert_string_equal(decoded, path);
	free(decoded);
}

static void a_path_is_decoded_once(void **state)
{
	(void)state;
	expect_path("/a%20b", "/a b");
	expect_path("/a+b", "/a+b");
	expect_path("/%2525", "/%25");
	expect_path("/%c3%bc", "/\xc3\xbc");
	expect_path("/%", "/%");
	expect_path("/%zz", "/%zz");
	expect_path("/a%00b", NULL);
	expect_path("/a%0d%0ab", NULL);
	expect_path("/a%7f", NULL);
	expect_path("/%ff", NULL);
	expect_path("", NULL);
	expect_path("*", NULL);
}

static void lengths_names_and_hosts_are_strict(void **state)
{
	static const char *const lengths[] = { "", "+1", "-1", " 1", "1 ", "0x1", "1,1", "1e3",
					       "1234567890123456" };
	static const char *const names[] = { "", "a b", "a:", "a\t", "(a)", "\xc3\xbc", "a\x7f" };
	static const char *const hosts[] = { "", "a b", "a/b", "a@b", "a?b", "\xc3\xbc", "a\\b" };

	(void)state;
	assert_true(http_guard_is_length("0"));
	assert_true(http_guard_is_length("123456789012345"));
	assert_true(http_guard_is_token("X-Forwarded-For"));
	assert_true(http_guard_is_token("!#$%&'*+-.^_`|~09azAZ"));
	assert_true(http_guard_is_host("pensum.example.edu:8080"));
	assert_true(http_guard_is_host("[::1]:80"));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_false(http_guard_is_length(lengths[i]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(http_guard_is_token(names[i]));
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		assert_false(http_guard_is_host(hosts[i]));
}

static void only_known_kinds_of_files_are_served(void **state)
{
	(void)state;
	assert_string_equal(static_content_type("a/b.mjs"), "text/javascript; charset=utf-8");
	assert_string_equal(static_content_type("x.tar.css"), "text/css; charset=utf-8");
	assert_null(static_content_type("x"));
	assert_null(static_content_type("x.css/y"));
	assert_null(static_content_type("x.CSS"));
	assert_null(static_content_type("x."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_matches_its_pattern_and_nothing_else),
		cmocka_unit_test(a_path_is_decoded_once),
		cmocka_unit_test(lengths_names_and_hosts_are_strict),
		cmocka_unit_test(only_known_kinds_of_files_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
