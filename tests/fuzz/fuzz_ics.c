/*
 * Any text in any place of an event: up to the first, second … NUL stand summary, description,
 * category and address. Whatever they say, what is written is one event of known lines.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ics.h"
#include "mem.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_known(const char *line)
{
	static const char *const names[] = {
		"BEGIN:V",     "UID:u",	   "DTSTAMP:2",	    "LAST-MODIFIED:2",	"SEQUENCE:0",
		"DTSTART:2",   "SUMMARY:", "DESCRIPTION:",  "CATEGORIES:",	"URL:http",
		"STATUS:CONF", "TRANSP:T", "CLASS:PRIVATE", "ACTION:DISPLAY\r", "TRIGGER:-P",
		"END:V",
	};
	bool is_known = line[0] == ' ';

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is_known = is_known || text_starts_with(line, names[i]);
	expect(is_known);
}

static void check_lines(const char *text)
{
	int events = 0;

	while (*text != '\0') {
		const char *end = strstr(text, "\r\n");

		expect(end != NULL && end > text && end - text <= 75);
		expect(text_is_utf8(text, (size_t)(end - text)));
		expect(!text_has_control(text, (size_t)(end - text)));
		check_known(text);
		events += text_starts_with(text, "BEGIN:VEVENT");
		text = end + 2;
	}
	expect(events == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = mem_zalloc(size + 4);
	CLEANUP(buf_done) struct buf out = BUF_INIT;
	struct ics_event e = { .uid = "u", .due = 1906106400, .changed = 1800000000 };
	const char **fields[] = { &e.summary, &e.description, &e.category, &e.url };
	const char *at = text;

	memcpy(text, data, size);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		*fields[i] = at;
		at += strlen(at);
		if (at < text + size)
			at++;
	}
	ics_add_event(&out, &e, 0);
	check_lines(out.data);
	return 0;
}
