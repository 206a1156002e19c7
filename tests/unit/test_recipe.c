#include "recipe.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"
#include "mem.h"
#include "recipe_host.h"

#define STEP "{\"fill\":{\"#p\":\"password\"},\"click\":\"#go\"}"

static int parse(const char *text, struct recipe *r, struct error *err)
{
	return recipe_parse(text, strlen(text), r, err);
}

/* The sentence of what is wrong has both the place and what to do. */
static void refused(const char *text, const char *place, const char *advice)
{
	struct recipe r = RECIPE_INIT;
	struct error err = { 0 };

	if (parse(text, &r, &err) == 0)
		fail_msg("accepted: %s", text);
	if (strstr(err.text, place) != err.text || strstr(err.text, advice) == NULL)
		fail_msg("\"%s\" should begin with \"%s\" and have \"%s\"", err.text, place,
			 advice);
}

static void hosts_are_origins_of_https_and_on_loopback_of_http(void **state)
{
	CLEANUP(recipe_done) struct recipe r = RECIPE_INIT;
	CLEANUP_FREE char *origins = NULL;

	(void)state;
	assert_int_equal(parse("{\"hosts\":[\"Login.Example.edu\",\"idp.example.edu:8443\","
			       "\"a.example:443\",\"127.0.0.2:99\",\"[::1]\",\"127.evil.example\"],"
			       "\"steps\":[" STEP "]}",
			       &r, NULL),
			 0);
	origins = json_dumps(r.origins, JSON_COMPACT);
	assert_string_equal(origins,
			    "[\"https://login.example.edu\",\"https://idp.example.edu:8443\","
			    "\"https://a.example\",\"https://127.0.0.2:99\","
			    "\"http://127.0.0.2:99\",\"https://[::1]\",\"http://[::1]\","
			    "\"https://127.evil.example\"]");
}

static void what_is_no_exact_host_is_refused(void **state)
{
	static const char *const bad[] = { "*.example.edu",
					   "https://a.example",
					   "a.example/x",
					   "a.example:0",
					   "a.example:99999",
					   "a..example",
					   ".a.example",
					   "a.example.",
					   "a b",
					   "u@a.example",
					   "",
					   "a.example:",
					   "a.example?x",
					   "[::2]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_FREE char *text = mem_printf(
			"{\"hosts\":[\"ok.example\",\"%s\"],\"steps\":[" STEP "]}", bad[i]);

		refused(text, "hosts[1]: ", bad[i][0] ? "exact name" : "not empty");
	}
	refused("{\"steps\":[" STEP "]}", "hosts: ", "is missing");
}

static void a_mistake_is_told_with_its_place_and_what_to_do(void **state)
{
	(void)state;
	refused("{\"hosts\":[\n\"a.b\",]}", "line 2, column", "");
	refused("{\"hosts\":[\"a.b\"],\"hosts\":[\"a.b\"]}", "line 1", "duplicate");
	refused("{\"host\":[\"a.b\"]}", "member: ", "it may be comment, hosts");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"if\":\"#a\"}]}", "steps[0]: ", "nothing to do");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"submit\":true}]}",
		"steps[0]: if: ", "which page");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[" STEP ",{\"fill\":{\"#u\":\"name\"}}]}",
		"steps[1]: fill: ", "username, password, code");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"fill\":{\"#u[a='x]\":\"username\"}}]}",
		"steps[0]: fill: ", "quote is not closed");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"if\":\"a:not(b\",\"submit\":true}]}",
		"steps[0]: if: ", "bracket is not closed");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"if\":\"#a\",\"stop\":\"No.\",\"click\":\"#b\"}]"
		"}",
		"steps[0]: stop: ", "no click");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"hosts\":[\"c.d\"],\"fill\":{\"#p\":"
		"\"password\"}}]}",
		"steps[0]: hosts: ", "name it there");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"fill\":{\"#p\":\"password\"},\"times\":6}]}",
		"steps[0]: times: ", "1 to 5");
	refused("{\"hosts\":[\"a.b\"],\"errors\":[{\"if\":\"#e\",\"code\":\"bad\"}],\"steps\":"
		"[" STEP "]}",
		"errors[0]: code: ", "wrong_password");
	refused("{\"hosts\":[\"a.b\"],\"steps\":[{\"if\":\"#a\",\"click\":\"#a\"}]}",
		"steps: ", "no step fills in the password");
	refused("{\"hosts\":[\"a.b\"],\"start\":\"//evil.example/\",\"steps\":[" STEP "]}",
		"start: ", "no path below");
	refused("{\"hosts\":[\"a.b\"],\"time_limit_s\":1,\"steps\":[" STEP "]}",
		"time_limit_s: ", "from 5");
	refused("[]", "", "must be an object");
}

static void a_file_that_is_too_long_is_refused(void **state)
{
	char *text = mem_zalloc(RECIPE_MAX_BYTES + 2);

	(void)state;
	memset(text, ' ', RECIPE_MAX_BYTES + 1);
	refused(text, "more than 65536 bytes", "");
	free(text);
}

static void the_start_is_a_path_or_becomes_the_first_step(void **state)
{
	CLEANUP(recipe_done) struct recipe path = RECIPE_INIT, button = RECIPE_INIT;
	json_t *step;

	(void)state;
	assert_int_equal(parse("{\"hosts\":[\"a.b\"],\"start\":\"/auth/x?y=1\",\"steps\":[" STEP
			       "]}",
			       &path, NULL),
			 0);
	assert_string_equal(path.start, "/auth/x?y=1");
	assert_int_equal(parse("{\"hosts\":[\"a.b\"],\"start\":\"#sso\",\"steps\":[" STEP "]}",
			       &button, NULL),
			 0);
	assert_string_equal(button.start, "");
	step = json_array_get(json_object_get(button.page, "steps"), 0);
	assert_string_equal(json_string_value(json_object_get(step, "click")), "#sso");
	assert_true(json_is_true(json_object_get(step, "on_site")));
	assert_int_equal(json_array_size(json_object_get(step, "origins")), 0);
}

/* The site's own pages may be clicked through; a password goes to the recipe's hosts only. */
static void what_is_filled_in_is_never_for_the_site(void **state)
{
	CLEANUP(recipe_done) struct recipe r = RECIPE_INIT;
	json_t *steps;

	(void)state;
	assert_int_equal(
		parse("{\"hosts\":[\"a.b\"],\"steps\":[" STEP ",{\"click\":\"#x\"}]}", &r, NULL),
		0);
	steps = json_object_get(r.page, "steps");
	assert_true(json_is_false(json_object_get(json_array_get(steps, 0), "on_site")));
	assert_true(json_is_true(json_object_get(json_array_get(steps, 1), "on_site")));
}

static void the_samples_are_valid(void **state)
{
	static const char *const names[] = { "keycloak", "shibboleth", "cas", "microsoft" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *file = mem_printf(SAMPLES "/%s.json", names[i]);
		CLEANUP(recipe_done) struct recipe r = RECIPE_INIT;
		struct error err = { 0 };

		if (recipe_read(file, &r, &err) < 0)
			fail_msg("%s", err.text);
	}
}

static void an_address_has_its_origin_as_browsers_write_it(void **state)
{
	static const char *const cases[][2] = {
		{ "https://Moodle.Example.edu/sub", "https://moodle.example.edu" },
		{ "https://m.example:443/x", "https://m.example" },
		{ "http://127.0.0.1:8080", "http://127.0.0.1:8080" },
		{ "http://[::1]:80/a", "http://[::1]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_FREE char *origin = recipe_origin(cases[i][0]);

		assert_string_equal(origin, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_origins_of_https_and_on_loopback_of_http),
		cmocka_unit_test(what_is_no_exact_host_is_refused),
		cmocka_unit_test(a_mistake_is_told_with_its_place_and_what_to_do),
		cmocka_unit_test(a_file_that_is_too_long_is_refused),
		cmocka_unit_test(the_start_is_a_path_or_becomes_the_first_step),
		cmocka_unit_test(what_is_filled_in_is_never_for_the_site),
		cmocka_unit_test(the_samples_are_valid),
		cmocka_unit_test(an_address_has_its_origin_as_browsers_write_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
