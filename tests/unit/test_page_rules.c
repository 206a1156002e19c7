/* What a page may load, request by request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The judgement itself is looked at. */
#include "../../common/worker/page_intercept.c"

static bool refuses(const struct intercept *i, const char *type, const char *url)
{
	json_t *params = json_pack("{ss s{ss}}", "resourceType", type, "request", "url", url);
	bool refused = is_refused(i, params);

	json_decref(params);
	return refused;
}

static void test_hosts_are_compared_whole(void **state)
{
	static const char *const hosts[] = { "site.org", ".deep.org", "[::1]", NULL };
	static const char *const good[] = {
		"https://site.org/x", "http://site.org:8080/", "https://SITE.org",
		"https://deep.org/",  "https://a.b.deep.org/", "http://[::1]:8080/x",
		"wss://site.org?x",   "data:text/html,x://y/", "blob:https://site.org/1",
		"about:blank",	      "https://u:p@site.org/", "https://u@x@site.org/",
	};
	static const char *const bad[] = {
		"https://a.site.org/",	      "https://site.org.evil/",	 "https://evilsite.org/",
		"https://evil/?://site.org/", "https://site.org@evil/",	 "https://evil#@site.org/",
		"https://notdeep.org/",	      "https://.deep.org.evil/", "http://[::2]/",
		"https://site.org:1@evil/",   "https://evil/@site.org/", "https://[::1].evil/",
	};
	struct intercept i = { .allow_hosts = copy_texts(hosts) };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(good); k++)
		if (refuses(&i, "Image", good[k]))
			fail_msg("refused: %s", good[k]);
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		if (!refuses(&i, "Image", bad[k]))
			fail_msg("let go: %s", bad[k]);
	clear_rules(&i);
}

static void test_origins_are_compared_with_scheme_and_port(void **state)
{
	static const char *const origins[] = { "https://site.org", "http://127.0.0.1:8080", NULL };
	static const char *const assets[] = { "https://cdn.org", NULL };
	static const char *const good[] = { "https://site.org", "https://site.org/x",
					    "https://site.org?x", "http://127.0.0.1:8080/",
					    "about:blank" };
	static const char *const bad[] = { "http://site.org/",	      "https://site.org:8443/",
					   "https://site.org.evil/",  "https://site.org@evil/",
					   "http://127.0.0.1:80801/", "http://127.0.0.1/",
					   "https://cdn.org/",	      "https://a.site.org/",
					   "wss://site.org/",	      "file:///etc/passwd" };
	struct intercept i = { .allow_origins = copy_texts(origins),
			       .asset_origins = copy_texts(assets) };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(good); k++)
		if (refuses(&i, "Document", good[k]))
			fail_msg("refused: %s", good[k]);
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		if (!refuses(&i, "Document", bad[k]))
			fail_msg("let go: %s", bad[k]);
	assert_false(refuses(&i, "Script", "https://cdn.org/x.js"));
	assert_true(refuses(&i, "Script", "https://other.org/x.js"));
	clear_rules(&i);
}

static void test_kinds_and_addresses(void **state)
{
	static const char *const urls[] = { "*/private/*", "https://site/?.js", NULL };
	struct intercept i = { .block_kinds = PAGE_FONTS | PAGE_MEDIA,
			       .block_urls = copy_texts(urls) };

	(void)state;
	assert_true(refuses(&i, "Font", "https://site/f"));
	assert_true(refuses(&i, "Media", "https://site/f"));
	assert_false(refuses(&i, "Image", "https://site/f"));
	assert_true(refuses(&i, "Document", "https://site/a/private/b/c"));
	assert_true(refuses(&i, "Script", "https://site/a.js"));
	assert_false(refuses(&i, "Script", "https://site/ab.js"));
	clear_rules(&i);
}

static void test_the_browser_holds_no_more_than_it_must(void **state)
{
	static const char *const urls[] = { "*/x", NULL };
	struct intercept i = { .block_kinds = PAGE_FONTS, .block_urls = copy_texts(urls) };
	json_t *params;

	(void)state;
	assert_string_equal(make_call(&i, &params), "Fetch.enable");
	assert_int_equal(json_array_size(json_object_get(params, "patterns")), 2);
	json_decref(params);
	clear_rules(&i);
	assert_string_equal(make_call(&i, &params), "Fetch.disable");
	assert_null(params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts_are_compared_whole),
		cmocka_unit_test(test_origins_are_compared_with_scheme_and_port),
		cmocka_unit_test(test_kinds_and_addresses),
		cmocka_unit_test(test_the_browser_holds_no_more_than_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
