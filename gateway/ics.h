/*
 * ics.h - writes an iCalendar object (RFC 5545, RFC 7986): what a calendar subscribes to.
 *
 *	CLEANUP(buf_done) struct buf out = BUF_INIT;
 *	ics_begin(&out, "Due on Moodle", "As of …", changed);
 *	ics_add_event(&out, &event, now);
 *	ics_end(&out);
 *
 * Pure: the same input gives the same bytes, whatever the clock. Lines end with CRLF and are folded
 * at 75 octets between characters. Any text may come: control characters go, bytes that are no
 * UTF-8 become U+FFFD, what means something to the format is escaped, and what is longer than
 * ICS_TEXT_MAX bytes is cut with an ellipsis. Times are seconds since 1970, UTC; outside of the
 * years 1970 to 9999 they are the nearest that can be written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

#define ICS_TEXT_MAX 1024 /* of one value; before escaping */
#define ICS_URL_MAX  2048

/* A moment at which something is due. */
struct ics_event {
	const char *uid; /* ASCII without control characters */
	const char *summary, *description, *category;
	const char *url; /* left out when it is not http(s) in plain ASCII */
	int64_t due, changed;
	int sequence;
	bool tentative; /* not sure any more */
};

/* changed 0: not known. */
void ics_begin(struct buf *out, const char *name, const char *description, int64_t changed);
/* With alarms a day and two hours before, as far as these moments are still to come. */
void ics_add_event(struct buf *out, const struct ics_event *e, int64_t now);
void ics_end(struct buf *out);
