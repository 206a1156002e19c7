#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"

static int saved_stderr, reading;

static int catch_stderr(void **state)
{
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pipe_fds[1], STDERR_FILENO);
	close(pipe_fds[1]);
	reading = pipe_fds[0];
	return 0;
}

static int give_stderr_back(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reading);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static const char *one_line(void)
{
	static char line[2048];
	ssize_t n;

	log_open("test", LOG_LEVEL_INFO);
	log_info("something happened", "n=%d text=\"%s\"", 7, "a\nb");
	n = read(reading, line, sizeof(line) - 1);
	assert_true(n > 0);
	line[n] = '\0';
	return line;
}

static const char rest[] = "level=info prog=test msg=\"something happened\" n=7 text=\"a b\"\n";

static void a_line_in_a_file_has_the_time(void **state)
{
	const char *line = one_line();

	(void)state;
	assert_int_equal(strncmp(line, "time=20", 7), 0);
	assert_string_equal(line + strlen("time=2026-11-22T04:49:27.646Z "), rest);
}

static void a_value_with_quotes_is_one_value(void **state)
{
	static const char wanted[] =
		"reason=\"a = 'x': no 'y'\" path=/p detail=\"\" text=\"'\"\n";
	char line[512];
	ssize_t n;

	(void)state;
	log_open("test", LOG_LEVEL_INFO);
	log_info("odd", "reason=\"%s\" path=/p detail=\"%s\" text=\"%s\"", "a = \"x\": no \"y\"",
		 "", "\"");
	n = read(reading, line, sizeof(line) - 1);
	assert_true(n > (ssize_t)strlen(wanted));
	line[n] = '\0';
	assert_string_equal(line + n - strlen(wanted), wanted);
}

static void a_line_in_the_journal_has_the_priority(void **state)
{
	const char *line;
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	line = one_line();
	assert_int_equal(strncmp(line, "<6>", 3), 0);
	assert_string_equal(line + 3, rest);
}

static void another_process_journal_is_not_ours(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "1:2", 1);
	assert_int_equal(strncmp(one_line(), "time=", 5), 0);
}

/* Reads what is there, and answers how many lines of ours. */
static int lines_with(const char *what)
{
	static char text[1 << 17];
	ssize_t n = read(reading, text, sizeof(text) - 1);
	int count = 0;

	assert_true(n > 0);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		count++;
	return count;
}

static void a_log_that_nobody_reads_stops_nobody_and_tells_later_what_is_missing(void **state)
{
	char word[64];
	int kept;

	(void)state;
	assert_int_equal(fcntl(reading, F_SETPIPE_SZ, 1 << 16), 1 << 16);
	log_open("test", LOG_LEVEL_INFO);
	alarm(30); /* who waits for the log waits for ever */
	for (int i = 0; i < 2000; i++)
		log_info("one of many", "i=%d", i);
	kept = lines_with("one of many");
	assert_in_range(kept, 100, 1900);
	log_info("afterwards", "i=1");
	alarm(0);
	snprintf(word, sizeof(word), "msg=\"log lines lost\" count=%d\n", 2000 - kept);
	assert_int_equal(lines_with(word), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_in_a_file_has_the_time, catch_stderr,
						give_stderr_back),
		cmocka_unit_test_setup_teardown(a_value_with_quotes_is_one_value, catch_stderr,
						give_stderr_back),
		cmocka_unit_test_setup_teardown(a_line_in_the_journal_has_the_priority,
						catch_stderr, give_stderr_back),
		cmocka_unit_test_setup_teardown(another_process_journal_is_not_ours, catch_stderr,
						give_stderr_back),
		cmocka_unit_test_setup_teardown(
			a_log_that_nobody_reads_stops_nobody_and_tells_later_what_is_missing,
			catch_stderr, give_stderr_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
