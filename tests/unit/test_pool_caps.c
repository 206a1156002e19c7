/* As many browsers and pages as fit the memory. */
#include "../../browser-pool/caps.h"

#include "cmocka_all.h"
#include "mem.h"
#include "settings.h"

#define MIB (INT64_C(1) << 20)

static struct settings s;

static int set_up(void **state)
{
	(void)state;
	settings_init(&s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	settings_done(&s);
	return 0;
}

static void each_size_of_machine_has_its_row(void **state)
{
	/* What such machines call MemTotal is less than what they are sold as. */
	static const struct {
		int64_t mib, browsers, pages, page_mb;
	} cases[] = {
		{ 0, 1, 3, 128 },     { 256, 1, 3, 128 },    { 512, 1, 3, 128 },
		{ 767, 1, 3, 128 },   { 768, 1, 8, 192 },    { 962, 1, 8, 192 },
		{ 1024, 1, 8, 192 },  { 1535, 1, 8, 192 },   { 1536, 1, 16, 384 },
		{ 1970, 1, 16, 384 }, { 2048, 1, 16, 384 },  { 3800, 2, 24, 512 },
		{ 4096, 2, 24, 512 }, { 6143, 2, 24, 512 },  { 7900, 2, 32, 512 },
		{ 8192, 2, 32, 512 }, { 24105, 2, 32, 512 }, { 524288, 2, 32, 512 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pool_caps l;

		pool_caps_choose(&l, &s, cases[i].mib * MIB);
		assert_int_equal(l.browsers, cases[i].browsers);
		assert_int_equal(l.pages, cases[i].pages);
		assert_int_equal(l.page_mb, cases[i].page_mb);
		assert_true(l.browsers_automatic && l.pages_automatic && l.page_mb_automatic);
	}
}

static void a_number_in_the_settings_is_taken_as_it_stands(void **state)
{
	struct pool_caps l;

	(void)state;
	s.pool_max_browsers = 5;
	s.pool_max_pages = 100;
	pool_caps_choose(&l, &s, 512 * MIB);
	assert_int_equal(l.browsers, 5);
	assert_int_equal(l.pages, 100);
	assert_false(l.browsers_automatic || l.pages_automatic);
	s.pool_max_pages = 0;
	pool_caps_choose(&l, &s, 512 * MIB);
	assert_int_equal(l.browsers, 5);
	assert_int_equal(l.pages, 3);
	assert_true(!l.browsers_automatic && l.pages_automatic);
}

static void a_page_gets_as_much_as_the_settings_say_but_never_too_little(void **state)
{
	struct pool_caps l;

	(void)state;
	s.pool_page_memory_mb = 1000;
	pool_caps_choose(&l, &s, 512 * MIB);
	assert_int_equal(l.page_mb, 1000);
	assert_false(l.page_mb_automatic);
	s.pool_page_memory_mb = 1;
	pool_caps_choose(&l, &s, 8192 * MIB);
	assert_int_equal(l.page_mb, 128);
}

static void few_pages_do_not_get_a_second_browser(void **state)
{
	struct pool_caps l;

	(void)state;
	for (s.pool_max_pages = 1; s.pool_max_pages <= 40; s.pool_max_pages++) {
		pool_caps_choose(&l, &s, 16384 * MIB);
		assert_int_equal(l.browsers, s.pool_max_pages < 16 ? 1 : 2);
	}
}

static void memory_of_which_nothing_is_known_is_little(void **state)
{
	struct pool_caps l;

	(void)state;
	pool_caps_choose(&l, &s, -1);
	assert_int_equal(l.browsers, 1);
	assert_int_equal(l.pages, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_size_of_machine_has_its_row, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_number_in_the_settings_is_taken_as_it_stands,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_page_gets_as_much_as_the_settings_say_but_never_too_little, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(few_pages_do_not_get_a_second_browser, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_of_which_nothing_is_known_is_little, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
