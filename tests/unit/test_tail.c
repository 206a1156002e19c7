#include "tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "daemon.h"
#include "fd.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define SOON_MS 10000

static struct tail tail;
static int saved_stderr, seen; /* seen: all that reaches the parent's stderr */

static int begin(void **state)
{
	struct error err;

	(void)state;
	seen = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(seen >= 0);
	assert_int_equal(fcntl(seen, F_SETFL, O_APPEND), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(seen, STDERR_FILENO);
	log_open("slot", LOG_LEVEL_INFO);
	assert_int_equal(tail_open(&tail, &err), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(seen);
	tail_close(&tail);
	return 0;
}

/* A slot whose job is fn; its parent reads all the while. How it ended. */
static int run_slot(void (*fn)(void))
{
	struct deadline patience = deadline_in(SOON_MS);
	int status;
	int self = (int)getpid();
	pid_t pid = fork();

	if (pid == 0) {
		daemon_die_with_parent(SIGKILL, self);
		tail_enter(&tail);
		fn();
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_false(deadline_is_over(patience));
		tail_read(&tail);
		clock_sleep_ms(1);
	}
	tail_end(&tail, patience);
	return status;
}

/* On the parent's stderr; at most what fits. */
static const char *written(void)
{
	static char text[65536];
	ssize_t n = pread(seen, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static int times(const char *text, const char *what)
{
	int count = 0;

	while ((text = strstr(text, what)) != NULL) {
		text++;
		count++;
	}
	return count;
}

static void fail_an_assertion(void)
{
	signal(SIGABRT, SIG_DFL);
	tail_begin();
	log_info("job started", "attempt=%d", 1);
	assert(errno == -1);
}

static void what_the_c_library_says_last_is_kept_behind_the_log_and_written_on(void **state)
{
	int status = run_slot(fail_an_assertion);
	CLEANUP_FREE char *text = tail_text(&tail);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_non_null(text);
	assert_non_null(strstr(text, "msg=\"job started\" attempt=1\n"));
	assert_true(strstr(text, "Assertion") > strstr(text, "job started"));
	assert_int_equal(times(written(), "Assertion"), 1);
	assert_int_equal(times(written(), "job started"), 1);
}

static void work_twice(void)
{
	fputs("before any job\n", stderr);
	for (int i = 1; i <= 2; i++) {
		tail_begin();
		log_info("job started", "attempt=%d", i);
		fprintf(stderr, "of job %d\n", i);
	}
}

static void what_was_before_a_job_began_is_not_its_own(void **state)
{
	CLEANUP_FREE char *text = NULL;

	(void)state;
	run_slot(work_twice);
	text = tail_text(&tail);
	assert_null(strstr(text, "before"));
	assert_null(strstr(text, "of job 1"));
	assert_null(strstr(text, "attempt=1"));
	assert_non_null(strstr(text, "attempt=2\nof job 2\n"));
	assert_int_equal(times(written(), "before any job\n"), 1);
	assert_int_equal(times(written(), "of job 1\n"), 1);
}

static void flood(void)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 4000; i++)
		(void)!write(STDERR_FILENO, line, sizeof(line));
	fputs("and the last word", stderr);
}

static void of_a_flood_the_end_is_kept_and_all_is_written_on_by_lines(void **state)
{
	CLEANUP_FREE char *text = NULL;
	char last[32];

	(void)state;
	run_slot(flood);
	text = tail_text(&tail);
	assert_int_equal(strlen(text), TAIL_BYTES);
	assert_true(text_ends_with(text, "\nand the last word"));
	assert_int_equal(lseek(seen, 0, SEEK_END), 4000 * 1000 + strlen("and the last word\n"));
	assert_true(pread(seen, last, sizeof(last), 4000 * 1000) > 0);
	assert_memory_equal(last, "and the last word\n", strlen("and the last word\n"));
}

static void write_no_text(void)
{
	static const char bytes[] = "a\0b\xff\xc3(\x1b[31m\xc2\x9b\xe2\x82 \xe2\x82\xac\t\x7f\n";

	tail_begin();
	(void)!write(STDERR_FILENO, bytes, sizeof(bytes) - 1);
}

static void what_is_no_text_is_made_one(void **state)
{
	CLEANUP_FREE char *text = NULL;

	(void)state;
	run_slot(write_no_text);
	text = tail_text(&tail);
	assert_string_equal(text, "a?b?" /* no trigraph */ "?(?[31m??? \xe2\x82\xac\t?\n");
}

static void write_all_bytes(void)
{
	char bytes[TAIL_BYTES * 3];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i % 3 == 0 ? '\xe2' : i % 3 == 1 ? '\x82' : '\xac';
	(void)!write(STDERR_FILENO, bytes, sizeof(bytes));
	for (int i = 0; i < 256; i++)
		(void)!write(STDERR_FILENO, &(char){ (char)i }, 1);
	(void)!write(STDERR_FILENO, bytes, sizeof(bytes));
}

static void a_character_that_was_cut_is_left_out(void **state)
{
	CLEANUP_FREE char *text = NULL;

	(void)state;
	run_slot(write_all_bytes);
	text = tail_text(&tail);
	assert_int_equal(strlen(text), TAIL_BYTES / 3 * 3);
	assert_true(text_is_utf8(text, strlen(text)));
	assert_null(strchr(text, '?'));
}

static void log_much(void)
{
	static char pipeful[65536];

	memset(pipeful, '\n', sizeof(pipeful));
	(void)!write(STDERR_FILENO, pipeful, sizeof(pipeful));
	tail_begin();
	for (int i = 0; i < 2000; i++)
		log_info("line", "text=%0100d", i);
	tail_begin();
	log_info("job started", "attempt=%d", 1);
	(void)!write(STDERR_FILENO, "last\n", 5);
}

/* A pipeful of 64 KiB, and 200 KiB of lines, that nobody reads. */
static void a_slot_that_logs_does_not_wait_for_its_parent(void **state)
{
	struct deadline patience = deadline_in(SOON_MS);
	CLEANUP_FREE char *text = NULL;
	int self = (int)getpid();
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		daemon_die_with_parent(SIGKILL, self);
		tail_enter(&tail);
		log_much();
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		assert_false(deadline_is_over(patience));
		clock_sleep_ms(1);
	}
	assert_true(lseek(seen, 0, SEEK_END) > 2000 * 100);
	tail_end(&tail, patience);
	text = tail_text(&tail);
	assert_non_null(strstr(text, "attempt=1\nlast\n"));
	assert_int_equal(times(text, "text="), 0);
}

static void a_dead_slots_words_are_not_the_next_ones(void **state)
{
	(void)state;
	run_slot(write_no_text);
	tail_clear(&tail);
	assert_null(tail_text(&tail));
}

static void a_slot_outlives_that_nobody_reads_its_stderr(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run_slot(flood), 0);
	assert_int_equal(tail.kept.len, TAIL_BYTES);
}

/* As when the journal hangs: the slot would wait for it, too, had it no parent. */
static void a_parent_does_not_wait_for_its_own_stderr(void **state)
{
	CLEANUP_FREE char *text = NULL;
	int fds[2], self = (int)getpid();
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	pid = fork();
	if (pid == 0) {
		daemon_die_with_parent(SIGKILL, self);
		tail_enter(&tail);
		flood();
		_exit(0);
	}
	do
		tail_read(&tail);
	while (fd_wait(STDERR_FILENO, POLLOUT, deadline_in(0)) > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tail_end(&tail, deadline_in(10));
	text = tail_text(&tail);
	assert_int_equal(strlen(text), TAIL_BYTES);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_the_c_library_says_last_is_kept_behind_the_log_and_written_on, begin,
			end),
		cmocka_unit_test_setup_teardown(what_was_before_a_job_began_is_not_its_own, begin,
						end),
		cmocka_unit_test_setup_teardown(
			of_a_flood_the_end_is_kept_and_all_is_written_on_by_lines, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_text_is_made_one, begin, end),
		cmocka_unit_test_setup_teardown(a_character_that_was_cut_is_left_out, begin, end),
		cmocka_unit_test_setup_teardown(a_slot_that_logs_does_not_wait_for_its_parent,
						begin, end),
		cmocka_unit_test_setup_teardown(a_dead_slots_words_are_not_the_next_ones, begin,
						end),
		cmocka_unit_test_setup_teardown(a_slot_outlives_that_nobody_reads_its_stderr, begin,
						end),
		cmocka_unit_test_setup_teardown(a_parent_does_not_wait_for_its_own_stderr, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
