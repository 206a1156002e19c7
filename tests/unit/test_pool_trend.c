#include "../../browser-pool/trend.h"

#include "cmocka_all.h"

static void add(struct trend *t, int64_t value, int times)
{
	for (int i = 0; i < times; i++)
		trend_add(t, value, 50);
}

static void test_usual_is_the_largest_of_the_first(void **state)
{
	struct trend t = { 0 };

	(void)state;
	trend_add(&t, 100, 50);
	trend_add(&t, 130, 50);
	trend_add(&t, 90, 50);
	assert_int_equal(t.usual, 130);
	add(&t, 1000, TREND_OVER - 1);
	assert_int_equal(t.usual, 130);
	assert_int_equal(t.last, 1000);
	assert_false(trend_is_over(&t));
}

static void test_only_a_row_of_values_is_over(void **state)
{
	struct trend t = { 0 };

	(void)state;
	add(&t, 100, TREND_FIRST);
	for (int round = 0; round < 5; round++) {
		add(&t, 151, TREND_OVER - 1);
		add(&t, 150, 1);
		assert_false(trend_is_over(&t));
	}
	add(&t, 151, TREND_OVER);
	assert_true(trend_is_over(&t));
	add(&t, 100, 1);
	assert_false(trend_is_over(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_is_the_largest_of_the_first),
		cmocka_unit_test(test_only_a_row_of_values_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
