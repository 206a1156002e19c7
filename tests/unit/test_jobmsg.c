#include "jobmsg.h"

#include <errno.h>
#include <string.h>

#include "failure.h"
#include "keys.h"
#include "publish.h"

#include "cmocka_all.h"

#define ID "0123456789abcdef01234567"

static struct job_event event(void)
{
	struct job_event ev;

	job_event_init(&ev);
	strcpy(ev.job, ID);
	ev.state = JOB_RUNNING;
	ev.version = (struct job_version){ 2, 7 };
	strcpy(ev.step, "reading courses");
	ev.done = 3;
	ev.total = 9;
	strcpy(ev.note, "Physik f\xc3\xbcr Anf\xc3\xa4nger");
	return ev;
}

static void an_event_survives_its_fields(void **state)
{
	struct job_event ev = event(), back;
	struct job_event_numbers nums;
	const char *argv[JOB_EVENT_FIELDS * 2];

	(void)state;
	job_event_to_fields(&ev, &nums, argv);
	job_event_init(&back);
	for (size_t i = 0; i < JOB_EVENT_FIELDS; i++)
		assert_int_equal(job_event_set_field(&back, argv[2 * i], argv[2 * i + 1],
						     strlen(argv[2 * i + 1])),
				 0);
	assert_int_equal(job_event_check(&back), 0);
	assert_string_equal(back.job, ID);
	assert_int_equal(back.state, JOB_RUNNING);
	assert_int_equal(job_version_compare(ev.version, back.version), 0);
	assert_string_equal(back.note, ev.note);
	assert_int_equal(back.done, 3);
	assert_int_equal(back.total, 9);
}

static void bad_fields_are_refused_and_unknown_ones_ignored(void **state)
{
	struct job_event ev;

	(void)state;
	job_event_init(&ev);
	assert_int_equal(job_event_set_field(&ev, "j", ID "0", 25), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "s", "flying", 6), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "k", "-1", 2), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "n", "99999999999", 11), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "m", "\xff", 1), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "m", "a\nb", 3), -EBADMSG);
	assert_int_equal(job_event_set_field(&ev, "zz", "x", 1), 0);
	assert_int_equal(job_event_check(&ev), -EBADMSG);
}

static void versions_order_by_attempt_then_number(void **state)
{
	struct job_version a = { 1, 900 }, b = { 2, 0 }, c = { 2, 1 };

	(void)state;
	assert_true(job_version_compare(a, b) < 0);
	assert_true(job_version_compare(c, b) > 0);
	assert_int_equal(job_version_compare(b, b), 0);
}

static void waiting_for_an_attempt_is_newer_than_the_one_before(void **state)
{
	struct job_version running = job_version_of_row(JOB_RUNNING, 1, 55);
	struct job_version queued = job_version_of_row(JOB_QUEUED, 1, 0);
	struct job_version again = job_version_of_row(JOB_RUNNING, 2, 1);

	(void)state;
	assert_true(job_version_compare(running, queued) < 0);
	assert_true(job_version_compare(queued, again) < 0);
	assert_true(job_version_compare(queued, job_version_of_row(JOB_CANCELLED, 1, 1000000)) < 0);
}

static void names_go_there_and_back(void **state)
{
	(void)state;
	for (int i = 0; i < JOB_KIND_COUNT; i++)
		assert_int_equal(job_kind_parse(job_kind_name((enum job_kind)i)), i);
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		assert_int_equal(job_state_parse(job_state_name((enum job_state)i)), i);
	assert_int_equal(job_kind_parse(""), -1);
	assert_true(id_is_valid(ID));
	assert_false(id_is_valid("0123456789ABCDEF01234567"));
	assert_false(id_is_valid(ID "0"));
	assert_false(id_is_valid(""));
}

static void keys_are_readable(void **state)
{
	char key[KEY_SIZE];

	(void)state;
	key_job_stream(key, JOB_QUEUE_CHECKER, JOB_HIGH);
	assert_string_equal(key, "pensum:jobs:checker:high");
	key_job(key, ID);
	assert_string_equal(key, "pensum:job:" ID);
}

static void publishing_carries_the_event_whole(void **state)
{
	struct job_event ev = event();
	struct publish_command cmd;

	(void)state;
	publish_command(&cmd, &ev);
	assert_string_equal(cmd.argv[0], "EVAL");
	assert_string_equal(cmd.argv[3], "pensum:job:" ID);
	assert_string_equal(cmd.argv[4], "pensum:events");
	assert_string_equal(cmd.argv[7], "j");
	/* The script finds the version by place: ARGV[8] and [10] are argv[12] and [14]. */
	assert_string_equal(cmd.argv[11], "k");
	assert_string_equal(cmd.argv[12], "2");
	assert_string_equal(cmd.argv[13], "n");
	assert_string_equal(cmd.argv[14], "7");
}

static void an_unknown_failure_is_internal_and_retried(void **state)
{
	(void)state;
	assert_string_equal(failure_find("wrong_password")->code, "wrong_password");
	assert_int_equal(failure_find("wrong_password")->next, FAILURE_FINAL);
	assert_int_equal(failure_find("session_dead")->next, FAILURE_WAIT);
	assert_string_equal(failure_find("no such thing")->code, "internal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_survives_its_fields),
		cmocka_unit_test(bad_fields_are_refused_and_unknown_ones_ignored),
		cmocka_unit_test(versions_order_by_attempt_then_number),
		cmocka_unit_test(waiting_for_an_attempt_is_newer_than_the_one_before),
		cmocka_unit_test(names_go_there_and_back),
		cmocka_unit_test(keys_are_readable),
		cmocka_unit_test(publishing_carries_the_event_whole),
		cmocka_unit_test(an_unknown_failure_is_internal_and_retried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
