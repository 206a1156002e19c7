#include "ics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "text.h"

#define DUE 1906106400 /* 2030-05-27T10:00:00Z */
#define DAY 86400

static struct buf out = BUF_INIT;

static const struct ics_event plain = {
	.uid = "uid-1",
	.summary = "Sheet 1",
	.description = "Algorithms",
	.category = "CS",
	.url = "https://moodle.test/mod/assign/view.php?id=3&x=1",
	.due = DUE,
	.changed = 1800000000,
	.sequence = 2,
};

static int teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

static const char *write_event(const struct ics_event *e, int64_t now)
{
	buf_clear(&out);
	ics_add_event(&out, e, now);
	return out.data;
}

/* The text with its folds undone. */
static char *unfold(const char *text)
{
	char *copy = mem_zalloc(strlen(text) + 1);
	size_t len = 0;

	for (size_t i = 0; text[i] != '\0'; i++)
		if (text_starts_with(text + i, "\r\n "))
			i += 2;
		else
			copy[len++] = text[i];
	return copy;
}

static void has_line(const char *line)
{
	CLEANUP_FREE char *whole = unfold(out.data);
	CLEANUP_FREE char *ended = mem_printf("\r\n%s\r\n", line);

	if (strstr(whole, ended) == NULL && strncmp(whole, ended + 2, strlen(ended) - 2) != 0)
		fail_msg("no line \"%s\" in:\n%s", line, whole);
}

static void every_line_is_short_and_whole_characters(void)
{
	const char *line = out.data;

	while (*line != '\0') {
		const char *end = strstr(line, "\r\n");

		assert_non_null(end);
		assert_true(end - line <= 75);
		assert_null(memchr(line, '\n', (size_t)(end - line)));
		assert_true(text_is_utf8(line, (size_t)(end - line)));
		line = end + 2;
	}
}

static void an_event_is_a_moment_with_an_identity_and_a_revision(void **state)
{
	(void)state;
	write_event(&plain, 0);
	has_line("BEGIN:VEVENT");
	has_line("UID:uid-1");
	has_line("DTSTART:20300527T100000Z");
	has_line("DTSTAMP:20270115T080000Z");
	has_line("LAST-MODIFIED:20270115T080000Z");
	has_line("SEQUENCE:2");
	has_line("SUMMARY:Sheet 1");
	has_line("CATEGORIES:CS");
	has_line("URL:https://moodle.test/mod/assign/view.php?id=3&x=1");
	has_line("STATUS:CONFIRMED");
	has_line("TRANSP:TRANSPARENT");
	has_line("END:VEVENT");
	assert_null(strstr(out.data, "DTEND"));
	assert_null(strstr(out.data, "METHOD"));
}

static int count(const char *what)
{
	int n = 0;

	for (const char *at = out.data; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static void alarms_are_those_whose_moment_is_to_come(void **state)
{
	(void)state;
	write_event(&plain, DUE - 2 * DAY);
	assert_int_equal(count("BEGIN:VALARM"), 2);
	has_line("TRIGGER:-P1D");
	has_line("TRIGGER:-PT2H");
	write_event(&plain, DUE - DAY / 2);
	assert_int_equal(count("BEGIN:VALARM"), 1);
	has_line("TRIGGER:-PT2H");
	write_event(&plain, DUE);
	assert_int_equal(count("BEGIN:VALARM"), 0);
}

static void text_that_means_something_to_the_format_is_escaped(void **state)
{
	struct ics_event e = plain;

	(void)state;
	e.summary = "a,b;c\\d\ne\r\nf\tg\"h:i";
	write_event(&e, DUE);
	has_line("SUMMARY:a\\,b\\;c\\\\d\\ne\\nf g\"h:i");
	e.summary = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT";
	write_event(&e, DUE);
	has_line("SUMMARY:x\\nEND:VEVENT\\nBEGIN:VEVENT");
	assert_int_equal(count("\r\nEND:VEVENT"), 1);
}

static void control_characters_go_and_broken_text_is_marked(void **state)
{
	struct ics_event e = plain;

	(void)state;
	e.summary = "a\x01"
		    "b\x7f"
		    "c\xc2\x85"
		    "d\xe2\x80\xa8"
		    "e\xff\xc3"
		    "f\xed\xa0\x80";
	write_event(&e, DUE);
	has_line("SUMMARY:abcde\xef\xbf\xbd\xef\xbf\xbd"
		 "f\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	e.summary = "\xd9\x85\xd9\x87\xd9\x85\xd8\xa9 \xe2\x80\x8f \xf0\x9f\x93\x9a";
	write_event(&e, DUE);
	has_line("SUMMARY:\xd9\x85\xd9\x87\xd9\x85\xd8\xa9 \xe2\x80\x8f \xf0\x9f\x93\x9a");
}

static void lines_are_folded_between_characters_wherever_they_fall(void **state)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP(buf_done) struct buf line = BUF_INIT;
	struct ics_event e = plain;

	(void)state;
	for (int shift = 0; shift < 8; shift++) {
		buf_clear(&text);
		buf_clear(&line);
		for (int i = 0; i < shift; i++)
			buf_add_char(&text, 'x');
		for (int i = 0; i < 60; i++)
			buf_add_str(&text, i % 3 == 0 ? "\xf0\x9f\x93\x9a" : "\xd9\x85");
		e.summary = text.data;
		write_event(&e, 0);
		every_line_is_short_and_whole_characters();
		buf_printf(&line, "SUMMARY:%s", text.data);
		has_line(line.data);
	}
}

static void an_escape_is_never_split_by_a_fold(void **state)
{
	struct ics_event e = plain;
	char commas[201] = { 0 };

	(void)state;
	memset(commas, ',', sizeof(commas) - 1);
	e.summary = commas;
	write_event(&e, DUE);
	every_line_is_short_and_whole_characters();
	assert_null(strstr(out.data, "\\\r\n"));
}

static void what_is_too_long_is_cut_between_characters(void **state)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	struct ics_event e = plain;

	(void)state;
	while (text.len < 3 * ICS_TEXT_MAX)
		buf_add_str(&text, "\xe0\xa4\x85");
	e.summary = text.data;
	write_event(&e, DUE);
	every_line_is_short_and_whole_characters();
	assert_true(out.len < 2 * ICS_TEXT_MAX);
	assert_non_null(strstr(out.data, "\xe2\x80\xa6\r\n"));
}

static void an_address_is_plain_or_left_out(void **state)
{
	static const char *const bad[] = {
		"javascript:alert(1)", "https://m/\r\nX:1", "https://m/ x",
		"https://m/\xc3\xbc",  "ftp://m/",	    "",
		"https://m/\""
	};
	struct ics_event e = plain;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		e.url = bad[i];
		write_event(&e, DUE);
		assert_null(strstr(out.data, "\r\nURL"));
	}
}

static void times_stay_within_what_can_be_written(void **state)
{
	struct ics_event e = plain;

	(void)state;
	e.due = INT64_MAX;
	e.changed = -5;
	write_event(&e, DUE);
	has_line("DTSTART:99991231T235959Z");
	has_line("DTSTAMP:19700101T000000Z");
}

static void a_calendar_says_who_made_it_what_it_is_called_and_when_to_come_back(void **state)
{
	(void)state;
	buf_clear(&out);
	ics_begin(&out, "Due; here", "As of now", 1800000000);
	ics_end(&out);
	assert_true(text_starts_with(out.data, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:"));
	has_line("NAME:Due\\; here");
	has_line("X-WR-CALNAME:Due\\; here");
	has_line("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
	has_line("LAST-MODIFIED:20270115T080000Z");
	has_line("BEGIN:VTIMEZONE");
	assert_true(text_ends_with(out.data, "\r\nEND:VCALENDAR\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_a_moment_with_an_identity_and_a_revision),
		cmocka_unit_test(alarms_are_those_whose_moment_is_to_come),
		cmocka_unit_test(text_that_means_something_to_the_format_is_escaped),
		cmocka_unit_test(control_characters_go_and_broken_text_is_marked),
		cmocka_unit_test(lines_are_folded_between_characters_wherever_they_fall),
		cmocka_unit_test(an_escape_is_never_split_by_a_fold),
		cmocka_unit_test(what_is_too_long_is_cut_between_characters),
		cmocka_unit_test(an_address_is_plain_or_left_out),
		cmocka_unit_test(times_stay_within_what_can_be_written),
		cmocka_unit_test(
			a_calendar_says_who_made_it_what_it_is_called_and_when_to_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
