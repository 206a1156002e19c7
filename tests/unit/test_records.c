#include "records.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

static int judge(const char *json, int (*fn)(const json_t *, json_t **, struct error *))
{
	json_t *answer = json_loads(json, 0, NULL), *list = NULL;
	int e = fn(answer, &list, NULL);

	assert_non_null(answer);
	json_decref(answer);
	json_decref(list);
	return e;
}

static void good_records_pass_and_extra_members_are_dropped(void **state)
{
	json_t *answer = json_loads(
		"{\"assignments\":[{\"cmid\":7,\"name\":\"Essay\",\"url\":\"http://m/7\","
		"\"due\":null,\"status\":\"none\",\"pending\":true,"
		"\"handin\":\"open\",\"evil\":1}]}",
		0, NULL);
	json_t *list = NULL;

	(void)state;
	assert_int_equal(records_assignments(answer, &list, NULL), 0);
	assert_null(json_object_get(json_array_get(list, 0), "evil"));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "cmid")), 7);
	json_decref(answer);
	json_decref(list);
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(judge("{}", records_courses), -EBADMSG);
	assert_int_equal(judge("{\"courses\":{}}", records_courses), -EBADMSG);
	assert_int_equal(judge("{\"courses\":[1]}", records_courses), -EBADMSG);
	assert_int_equal(judge("{\"courses\":[{\"id\":0,\"name\":\"x\"}]}", records_courses),
			 -EBADMSG);
	assert_int_equal(judge("{\"courses\":[{\"id\":\"1\",\"name\":\"x\"}]}", records_courses),
			 -EBADMSG);
	assert_int_equal(judge("{\"courses\":[{\"id\":1,\"name\":\"x\"}]}", records_courses), 0);
	assert_int_equal(judge("{\"courses\":[]}", records_courses), 0);
	assert_int_equal(judge("{\"assignments\":[{\"cmid\":7,\"name\":\"E\",\"url\":\"u\","
			       "\"status\":\"eaten\",\"pending\":null,\"handin\":\"open\"}]}",
			       records_assignments),
			 -EBADMSG);
	assert_int_equal(judge("{\"assignments\":[{\"cmid\":7,\"name\":\"E\",\"url\":\"u\","
			       "\"status\":\"none\",\"pending\":\"yes\",\"handin\":\"open\"}]}",
			       records_assignments),
			 -EBADMSG);
	assert_int_equal(judge("{\"assignments\":[{\"cmid\":7,\"name\":\"E\",\"url\":\"u\","
			       "\"status\":\"none\",\"pending\":true,\"handin\":\"ajar\"}]}",
			       records_assignments),
			 -EBADMSG);
}

static void activities_need_a_date_and_a_kind(void **state)
{
	(void)state;
	assert_int_equal(judge("{\"activities\":[{\"cmid\":9,\"kind\":\"quiz\",\"event\":\"close\","
			       "\"name\":\"Q\",\"url\":\"u\",\"due\":1700000000,\"open\":true}]}",
			       records_activities),
			 0);
	assert_int_equal(judge("{\"activities\":[{\"cmid\":9,\"kind\":\"quiz\",\"event\":\"close\","
			       "\"name\":\"Q\",\"url\":\"u\",\"due\":null,\"open\":true}]}",
			       records_activities),
			 -EBADMSG);
	assert_int_equal(judge("{\"assignments\":[]}", records_activities), -EBADMSG);
}

#define ESSAY(CMID, DUE)                                                                           \
	"{\"cmid\":" CMID ",\"name\":\"E\",\"url\":\"u\",\"status\":\"none\",\"pending\":true,"    \
	"\"handin\":\"open\",\"due\":" DUE "}"

static void what_the_database_would_refuse_is_refused_before(void **state)
{
	(void)state;
	assert_int_equal(
		judge("{\"assignments\":[" ESSAY("7", "1") "," ESSAY("8", "253402300799") "]}",
		      records_assignments),
		0);
	assert_int_equal(judge("{\"assignments\":[" ESSAY("7", "1") "," ESSAY("7", "2") "]}",
			       records_assignments),
			 -EBADMSG);
	assert_int_equal(judge("{\"assignments\":[" ESSAY("7", "9223372036854775807") "]}",
			       records_assignments),
			 -EBADMSG);
	assert_int_equal(judge("{\"assignments\":[" ESSAY("7", "-1e300") "]}", records_assignments),
			 -EBADMSG);
	assert_int_equal(judge("{\"activities\":[{\"cmid\":9,\"kind\":\"quiz\",\"event\":\"close\","
			       "\"name\":\"Q\",\"url\":\"u\",\"due\":1e15,\"open\":true}]}",
			       records_activities),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_records_pass_and_extra_members_are_dropped),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(activities_need_a_date_and_a_kind),
		cmocka_unit_test(what_the_database_would_refuse_is_refused_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
