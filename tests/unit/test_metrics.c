#include "cmocka_all.h"

#include <math.h>

#include "metrics_foreign.h"
#include "metrics_text.h"
#include "mem.h"

static void values_are_written_as_they_are_read(void **state)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	(void)state;
	metrics_sample(&out, "a", 7, NULL);
	metrics_sample(&out, "a", -0.5, NULL);
	metrics_sample(&out, "a", 123456789012.0, NULL);
	metrics_sample(&out, "a", INFINITY, NULL);
	metrics_sample(&out, "a", -INFINITY, NULL);
	metrics_sample(&out, "a", NAN, NULL);
	assert_string_equal(out.data, "a 7\na -0.5\na 123456789012\na +Inf\na -Inf\na NaN\n");
}

static void label_values_and_help_are_escaped(void **state)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	(void)state;
	metrics_family(&out, "a", "gauge", "one\ntwo \\ \"three\"");
	metrics_sample(&out, "a", 1, "x", "q\"b\\n\n", "left_out", "", "y", "z", NULL);
	assert_string_equal(out.data, "# HELP a one\\ntwo \\\\ \"three\"\n# TYPE a gauge\n"
				      "a{x=\"q\\\"b\\\\n\\n\",y=\"z\"} 1\n");
}

static void a_histogram_is_cumulative_and_its_bounds_belong_to_it(void **state)
{
	static const double bounds[] = { 0.1, 1 };
	uint64_t counts[3] = { 0 };
	struct histogram h = { .bounds = bounds, .bound_count = 2, .counts = counts };
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	(void)state;
	histogram_add(&h, 0.1);
	histogram_add(&h, 0.5);
	histogram_add(&h, 1);
	histogram_add(&h, 3);
	metrics_histogram(&out, "h", &h, NULL, NULL);
	assert_string_equal(out.data, "h_bucket{le=\"0.1\"} 1\nh_bucket{le=\"1\"} 3\n"
				      "h_bucket{le=\"+Inf\"} 4\nh_sum 4.6\nh_count 4\n");
}

static void what_others_counted_comes_in_families(void **state)
{
	CLEANUP(foreign_done) struct foreign all = { 0 };
	CLEANUP(buf_done) struct buf out = BUF_INIT;
	json_t *json = json_pack("{s:{s:i, s:i}, s:i}", "job_zombie_rejected_total", "finish", 2,
				 "bad\nvalue", 1, "plain", 3);

	(void)state;
	foreign_add(&all, "b_sum", 1.5, NULL);
	foreign_add(&all, "c", 1, NULL);
	foreign_add(&all, "b_count", 2, NULL);
	foreign_add(&all, "c", 9, NULL); /* the first word counts */
	foreign_add_all(&all, json, "h:\"x\"");
	json_decref(json);
	foreign_write(&all, &out);
	assert_non_null(strstr(out.data, "# TYPE b summary\nb_sum 1.5\nb_count 2\n# HELP c "));
	assert_non_null(strstr(out.data, "# TYPE c gauge\nc 1\n"));
	assert_non_null(strstr(
		out.data, "# TYPE job_zombie_rejected_total counter\n"
			  "job_zombie_rejected_total{op=\"finish\",worker=\"h:\\\"x\\\"\"} 2\n"));
	assert_non_null(strstr(out.data, "plain{worker="));
	assert_null(strstr(out.data, "bad"));
}

static void what_is_no_series_or_ours_is_left_out(void **state)
{
	static const char *const bad[] = { "",
					   "1a",
					   "a b",
					   "a{",
					   "a{x}",
					   "a{x=1}",
					   "a{x=\"1\"",
					   "a{x=\"1\",}",
					   "a{x=\"\"1\"}",
					   "a{1=\"x\"}",
					   "a\n",
					   "a{x=\"\\q\"}",
					   "a{x=\"\n\"}",
					   "jobs_running",
					   "job_duration_seconds_sum",
					   "redis_up",
					   "a{x=\"\xff\"}" };
	CLEANUP(foreign_done) struct foreign all = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		foreign_add(&all, bad[i], 1, NULL);
	assert_int_equal(all.count, 0);
	foreign_add(&all, "a{x=\"\\\\ \\\" \\n ü\",y=\"\"}", 1, NULL);
	assert_int_equal(all.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_written_as_they_are_read),
		cmocka_unit_test(label_values_and_help_are_escaped),
		cmocka_unit_test(a_histogram_is_cumulative_and_its_bounds_belong_to_it),
		cmocka_unit_test(what_others_counted_comes_in_families),
		cmocka_unit_test(what_is_no_series_or_ours_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
