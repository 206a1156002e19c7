#include "ics.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mem.h"
#include "text.h"

#define LINE_MAX_BYTES 75
#define TIME_MAX       253402300799 /* the last second of the year 9999 */

/* One content line while it is written. */
struct line {
	struct buf *out;
	size_t column; /* octets since the last line break */
};

/* One character, or one escape: what a fold must not split. */
static void put(struct line *l, const char *bytes, size_t len)
{
	if (l->column + len > LINE_MAX_BYTES) {
		buf_add_str(l->out, "\r\n ");
		l->column = 1;
	}
	buf_add(l->out, bytes, len);
	l->column += len;
}

static struct line line_begin(struct buf *out, const char *name)
{
	struct line l = { .out = out };

	for (; *name != '\0'; name++)
		put(&l, name, 1);
	put(&l, ":", 1);
	return l;
}

static void line_end(struct line *l)
{
	buf_add_str(l->out, "\r\n");
}

/* A line whose value needs no escaping: ours, or checked. */
static void add_plain(struct buf *out, const char *name, const char *value)
{
	struct line l = line_begin(out, name);

	for (; *value != '\0'; value++)
		put(&l, value, 1);
	line_end(&l);
}

/* C0, DEL and C1; and the two separators which some readers take for the end of a line. */
static bool is_control(const char *c, size_t len)
{
	const unsigned char *s = (const unsigned char *)c;

	if (len == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	if (len == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	return len == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9);
}

static void put_character(struct line *l, const char *c, size_t len)
{
	if (len == 0)
		put(l, "\xef\xbf\xbd", 3);
	else if (*c == '\n')
		put(l, "\\n", 2);
	else if (*c == '\t')
		put(l, " ", 1);
	else if (len == 1 && strchr("\\;,", *c) != NULL)
		put(l, (char[]){ '\\', *c }, 2);
	else if (!is_control(c, len))
		put(l, c, len);
}

static void put_text(struct line *l, const char *text)
{
	size_t len = strlen(text), all = len;

	len = text_cut_utf8(text, len, ICS_TEXT_MAX);
	for (size_t i = 0; i < len;) {
		size_t n = text_utf8_sequence(text + i, len - i);

		put_character(l, text + i, n);
		i += n == 0 ? 1 : n;
	}
	if (len < all)
		put(l, "\xe2\x80\xa6", 3);
}

static void add_text(struct buf *out, const char *name, const char *text)
{
	struct line l = line_begin(out, name);

	put_text(&l, text);
	line_end(&l);
}

static void add_time(struct buf *out, const char *name, int64_t at)
{
	time_t t = (time_t)MIN(MAX(at, 0), TIME_MAX);
	char text[32];
	struct tm tm;

	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", gmtime_r(&t, &tm));
	add_plain(out, name, text);
}

/* The characters that an address may consist of (RFC 3986), and no more. */
static bool is_plain_url(const char *url)
{
	if (!text_starts_with(url, "https://") && !text_starts_with(url, "http://"))
		return false;
	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"<>\\^`{|}", *c) != NULL)
			return false;
	return strlen(url) <= ICS_URL_MAX;
}

/* No event needs it, but a calendar must have a component, and there may be no event. */
static void add_utc(struct buf *out)
{
	add_plain(out, "BEGIN", "VTIMEZONE");
	add_plain(out, "TZID", "UTC");
	add_plain(out, "BEGIN", "STANDARD");
	add_plain(out, "DTSTART", "19700101T000000");
	add_plain(out, "TZOFFSETFROM", "+0000");
	add_plain(out, "TZOFFSETTO", "+0000");
	add_plain(out, "TZNAME", "UTC");
	add_plain(out, "END", "STANDARD");
	add_plain(out, "END", "VTIMEZONE");
}

void ics_begin(struct buf *out, const char *name, const char *description, int64_t changed)
{
	add_plain(out, "BEGIN", "VCALENDAR");
	add_plain(out, "VERSION", "2.0");
	add_plain(out, "PRODID", "-//Pensum//Pensum//EN");
	add_plain(out, "CALSCALE", "GREGORIAN");
	add_text(out, "NAME", name);
	add_text(out, "X-WR-CALNAME", name);
	add_text(out, "DESCRIPTION", description);
	add_text(out, "X-WR-CALDESC", description);
	if (changed > 0)
		add_time(out, "LAST-MODIFIED", changed);
	add_plain(out, "REFRESH-INTERVAL;VALUE=DURATION", "PT1H");
	add_plain(out, "X-PUBLISHED-TTL", "PT1H");
	add_utc(out);
}

static void add_alarm(struct buf *out, const char *trigger, const char *text)
{
	add_plain(out, "BEGIN", "VALARM");
	add_plain(out, "ACTION", "DISPLAY");
	add_plain(out, "TRIGGER", trigger);
	add_text(out, "DESCRIPTION", text);
	add_plain(out, "END", "VALARM");
}

static void add_alarms(struct buf *out, const struct ics_event *e, int64_t now)
{
	static const struct {
		int64_t before_s;
		const char *trigger;
	} alarms[] = { { 86400, "-P1D" }, { 7200, "-PT2H" } };

	for (size_t i = 0; i < ARRAY_LEN(alarms); i++)
		if (e->due - alarms[i].before_s > now)
			add_alarm(out, alarms[i].trigger, e->summary);
}

/* Without DTEND an event ends when it begins: a moment, which makes nobody busy. */
void ics_add_event(struct buf *out, const struct ics_event *e, int64_t now)
{
	char sequence[16];

	snprintf(sequence, sizeof(sequence), "%d", e->sequence);
	add_plain(out, "BEGIN", "VEVENT");
	add_plain(out, "UID", e->uid);
	add_time(out, "DTSTAMP", e->changed);
	add_time(out, "LAST-MODIFIED", e->changed);
	add_plain(out, "SEQUENCE", sequence);
	add_time(out, "DTSTART", e->due);
	add_text(out, "SUMMARY", e->summary);
	add_text(out, "DESCRIPTION", e->description);
	add_text(out, "CATEGORIES", e->category);
	if (is_plain_url(e->url))
		add_plain(out, "URL", e->url);
	add_plain(out, "STATUS", e->tentative ? "TENTATIVE" : "CONFIRMED");
	add_plain(out, "TRANSP", "TRANSPARENT");
	add_plain(out, "CLASS", "PRIVATE");
	add_alarms(out, e, now);
	add_plain(out, "END", "VEVENT");
}

void ics_end(struct buf *out)
{
	add_plain(out, "END", "VCALENDAR");
}
