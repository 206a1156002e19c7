#include "api_limit.h"

#include "cmocka_all.h"

static const struct limit limit = { .burst = 3, .interval_ms = 1000 };

static void a_burst_passes_and_then_one_each_interval(void **state)
{
	static struct limit_table t;
	uint64_t key = limit_key("user", "a");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(limit_take(&t, &limit, key, 5000), 0);
	assert_int_equal(limit_take(&t, &limit, key, 5000), 1000);
	assert_int_equal(limit_take(&t, &limit, key, 5999), 1);
	assert_int_equal(limit_take(&t, &limit, key, 6000), 0);
	assert_int_equal(limit_take(&t, &limit, key, 6000), 1000);
}

static void what_is_refused_is_not_counted(void **state)
{
	static struct limit_table t;
	uint64_t key = limit_key("user", "a");

	(void)state;
	for (int i = 0; i < 3; i++)
		limit_take(&t, &limit, key, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(limit_take(&t, &limit, key, 500), 500);
	assert_int_equal(limit_take(&t, &limit, key, 1000), 0);
}

static void the_whole_burst_comes_back(void **state)
{
	static struct limit_table t;
	uint64_t key = limit_key("user", "a");

	(void)state;
	for (int i = 0; i < 3; i++)
		limit_take(&t, &limit, key, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(limit_take(&t, &limit, key, 3000), 0);
	assert_int_equal(limit_take(&t, &limit, key, 3000), 1000);
}

static void keys_do_not_meet(void **state)
{
	static struct limit_table t;

	(void)state;
	assert_true(limit_key("user", "ab") != limit_key("peer", "ab"));
	assert_true(limit_key("user", "a") != limit_key("usera", ""));
	for (int i = 0; i < 3; i++)
		limit_take(&t, &limit, limit_key("user", "a"), 0);
	assert_int_equal(limit_take(&t, &limit, limit_key("user", "b"), 0), 0);
	assert_int_equal(limit_take(&t, &limit, limit_key("peer", "a"), 0), 0);
}

static void a_full_row_forgets_the_key_that_is_nearest_to_its_end(void **state)
{
	static struct limit_table t;

	(void)state;
	/* The same row: the upper half of the key chooses it. Key 1 is used up, the others are not. */
	for (int i = 0; i < 3; i++)
		limit_take(&t, &limit, 1, 0);
	for (uint64_t key = 2; key < 2 + 2 * LIMIT_WAYS; key++)
		assert_int_equal(limit_take(&t, &limit, key, 0), 0);
	assert_true(limit_take(&t, &limit, 1, 0) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_passes_and_then_one_each_interval),
		cmocka_unit_test(what_is_refused_is_not_counted),
		cmocka_unit_test(the_whole_burst_comes_back),
		cmocka_unit_test(keys_do_not_meet),
		cmocka_unit_test(a_full_row_forgets_the_key_that_is_nearest_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
