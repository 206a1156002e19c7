#include "assignment_state.h"

#include <string.h>

#include "cmocka_all.h"
#include "records.h"

#define NOW 1000000
/* What Moodle always tells; a member that comes again behind it counts. */
#define NOT_NOW "\"locked\":false,\"canedit\":false,\"cansubmit\":false,"

static json_t *record_of(const char *assignment, const char *status, const char *why)
{
	json_t *a = json_loads(assignment, 0, NULL),
	       *s = status ? json_loads(status, 0, NULL) : NULL,
	       *record = assignment_state(a, s, why, "Part", "http://m", NOW);

	assert_non_null(a);
	json_decref(a);
	json_decref(s);
	return record;
}

/* want: "status handin pending" */
static void is_told(const char *more, const char *last, const char *want)
{
	char assignment[512], status[512], is[64];
	const json_t *pending;
	json_t *r;

	snprintf(assignment, sizeof(assignment), "{\"cmid\":7,\"id\":9,\"name\":\"A\"%s}", more);
	snprintf(
		status, sizeof(status),
		"{\"lastattempt\":{" NOT_NOW "\"submissionsenabled\":true,\"gradingstatus\":"
		"\"notgraded\",%s},"
		"\"feedback\":{\"gradefordisplay\":\"%s\"}}",
		last, strstr(want, "hidden") ? "" : "5");
	r = record_of(assignment, status, NULL);
	pending = json_object_get(r, "pending");
	snprintf(is, sizeof(is), "%s %s %s", json_string_value(json_object_get(r, "status")),
		 json_string_value(json_object_get(r, "handin")),
		 json_is_null(pending)	 ? "?"
		 : json_is_true(pending) ? "owed"
					 : "not");
	assert_memory_equal(is, want, strlen(is));
	json_decref(r);
}

#define CAN ",\"canedit\":true"

static void each_state_has_its_words(void **state)
{
	(void)state;
	is_told("", "\"locked\":false" CAN, "none open owed");
	is_told("", "\"submission\":{\"status\":\"new\"}" CAN, "none open owed");
	is_told("", "\"submission\":{\"status\":\"draft\"},\"cansubmit\":1", "draft open owed");
	is_told("", "\"submission\":{\"status\":\"submitted\"}" CAN, "submitted done not");
	is_told("", "\"submission\":{\"status\":\"reopened\"}" CAN, "reopened open owed");
	is_told("", "\"submission\":{\"status\":\"reopened\"}", "reopened closed not");
	is_told("", "\"locked\":true", "none locked not");
	is_told("", "\"submissionsenabled\":false", "none offline not");
	is_told(",\"allowsubmissionsfromdate\":1000001", "\"locked\":false", "none later owed");
	is_told(",\"allowsubmissionsfromdate\":999999", "\"locked\":false", "none closed not");
}

#define SUBMITTED(GRADING)                                                                         \
	"\"submission\":{\"status\":\"submitted\"},\"gradingstatus\":\"" GRADING "\""

static void a_grade_settles_it_when_the_student_may_see_it(void **state)
{
	(void)state;
	is_told("", SUBMITTED("graded"), "graded done not");
	is_told("", SUBMITTED("graded"), "submitted done not, for it is hidden");
	is_told("", SUBMITTED("released"), "graded done not");
	is_told("", SUBMITTED("inmarking"), "submitted done not");
	is_told("", "\"gradingstatus\":\"graded\"", "graded done not");
	is_told("", "\"gradingstatus\":\"graded\"" CAN, "none open owed, for it is hidden");
	is_told("", "\"submission\":{\"status\":\"draft\"},\"gradingstatus\":\"graded\"" CAN,
		"draft open owed");
}

#define TEAM                                                                                       \
	",\"teamsubmission\":1,\"preventsubmissionnotingroup\":1,"                                 \
	"\"requireallteammemberssubmit\":1"
#define TEAM_DRAFT(OWN)                                                                            \
	"\"teamsubmission\":{\"status\":\"draft\"},\"submissiongroup\":3,"                         \
	"\"submissiongroupmemberswhoneedtosubmit\":[8],\"submission\":{\"status\":\"" OWN          \
	"\"}" CAN

static void a_team_has_its_own_state(void **state)
{
	(void)state;
	is_told(TEAM, "\"submission\":{\"status\":\"submitted\"}" CAN, "none no_team owed");
	is_told(TEAM, TEAM_DRAFT("submitted"), "draft team not");
	is_told(TEAM, TEAM_DRAFT("draft"), "draft open owed");
}

static void what_is_not_told_is_unknown_and_says_why(void **state)
{
	json_t *r = record_of("{\"cmid\":7,\"name\":\"A\"}", NULL, "Moodle answers \"x\"");

	(void)state;
	assert_true(json_is_null(json_object_get(r, "pending")));
	assert_string_equal(json_string_value(json_object_get(r, "status")), "unknown");
	assert_string_equal(json_string_value(json_object_get(r, "reason")),
			    "could not be checked: Moodle answers \"x\"");
	json_decref(r);
	r = record_of("{\"cmid\":7,\"name\":\"A\"}", "{\"gradingsummary\":{}}", NULL);
	assert_string_equal(json_string_value(json_object_get(r, "reason")),
			    "could not be checked: Moodle shows no submission state");
	json_decref(r);
	assert_null(record_of("{\"cmid\":\"7\",\"name\":\"A\"}", NULL, NULL));
	assert_null(record_of("{\"cmid\":7}", NULL, NULL));
}

/* That it is closed, or that there is nothing to hand in, is never concluded from silence. */
static void half_an_answer_is_unknown(void **state)
{
	static const char *const lasts[] = {
		"{}",
		"{" NOT_NOW "\"gradingstatus\":\"notgraded\"}",
		"{\"submissionsenabled\":true,\"locked\":false,\"canedit\":false}",
		"{\"submissionsenabled\":true,\"locked\":null,\"canedit\":true,\"cansubmit\":true}",
		"{" NOT_NOW "\"submissionsenabled\":true,\"submission\":{\"status\":\"shelved\"}}",
		"{" NOT_NOW "\"submissionsenabled\":true,\"submission\":{\"status\":\"shelved\"},"
		"\"gradingstatus\":\"graded\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
		char status[256];
		json_t *r;

		snprintf(status, sizeof(status), "{\"lastattempt\":%s}", lasts[i]);
		r = record_of("{\"cmid\":7,\"name\":\"A\"}", status, NULL);
		assert_true(json_is_null(json_object_get(r, "pending")));
		assert_string_equal(json_string_value(json_object_get(r, "status")), "unknown");
		assert_string_equal(json_string_value(json_object_get(r, "handin")), "unknown");
		json_decref(r);
	}
}

static void an_extension_only_ever_moves_the_due_date_on(void **state)
{
	static const struct {
		const char *due, *extension;
		json_int_t want;
	} cases[] = {
		{ "0", "0", 0 },    { "50", "0", 50 }, { "50", "70", 70 },
		{ "50", "40", 50 }, { "0", "70", 0 },  { "50", "null", 50 },
	};
	char assignment[128], status[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *r;

		snprintf(assignment, sizeof(assignment),
			 "{\"cmid\":7,\"name\":\"A\",\"duedate\":%s}", cases[i].due);
		snprintf(status, sizeof(status), "{\"lastattempt\":{\"extensionduedate\":%s}}",
			 cases[i].extension);
		r = record_of(assignment, status, NULL);
		assert_int_equal(json_integer_value(json_object_get(r, "due")), cases[i].want);
		assert_int_equal(json_is_null(json_object_get(r, "due")), cases[i].want == 0);
		json_decref(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_its_words),
		cmocka_unit_test(a_grade_settles_it_when_the_student_may_see_it),
		cmocka_unit_test(a_team_has_its_own_state),
		cmocka_unit_test(what_is_not_told_is_unknown_and_says_why),
		cmocka_unit_test(half_an_answer_is_unknown),
		cmocka_unit_test(an_extension_only_ever_moves_the_due_date_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
