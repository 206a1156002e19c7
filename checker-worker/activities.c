#include "activities.h"

#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "plain_text.h"
#include "records.h"
#include "text.h"

/* In UTF-16 units, as in scripts/calendar.js. */
#define MAX_WORD 40
#define MAX_NAME 680

static const char *text_of(const json_t *event, const char *name)
{
	const char *text = json_string_value(json_object_get(event, name));

	return text ? text : "";
}

static bool is_activity(const json_t *event)
{
	const char *module = text_of(event, "modulename");

	return module[0] != '\0' && strcmp(module, "assign") != 0 &&
	       !text_starts_with(text_of(event, "eventtype"), "open");
}

/* Moodle's names of modules are letters; whatever else came would be no address. */
static char *url_of(const char *module, json_int_t cmid, const char *root)
{
	size_t len = strspn(module, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return mem_printf("%s/mod/%.*s/view.php?id=%lld", root, (int)MIN(len, (size_t)MAX_WORD),
			  module, (long long)cmid);
}

static json_t *activity_of(const json_t *event, const char *root)
{
	const char *named = text_of(event, "activityname");
	CLEANUP_FREE char *kind = plain_text(text_of(event, "modulename"), MAX_WORD);
	CLEANUP_FREE char *type = plain_text(text_of(event, "eventtype"), MAX_WORD);
	CLEANUP_FREE char *name = plain_text(named[0] ? named : text_of(event, "name"), MAX_NAME);
	json_int_t cmid = json_integer_value(json_object_get(event, "instance"));
	CLEANUP_FREE char *url = url_of(text_of(event, "modulename"), cmid, root);
	const json_t *action = json_object_get(event, "action");

	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:b}", "cmid", cmid, "kind", kind, "event",
			 type, "name", name, "url", url, "due",
			 json_integer_value(json_object_get(event, "timesort")), "open",
			 json_is_true(json_object_get(action, "actionable")));
}

static bool is_before(const json_t *a, const json_t *b)
{
	json_int_t due_a = json_integer_value(json_object_get(a, "due")),
		   due_b = json_integer_value(json_object_get(b, "due"));

	if (due_a != due_b)
		return due_a < due_b;
	return json_integer_value(json_object_get(a, "cmid")) <
	       json_integer_value(json_object_get(b, "cmid"));
}

json_t *activities_of(const json_t *events, const char *root)
{
	json_t *list = json_array(), *event, *one;
	size_t i, at;

	json_array_foreach (events, i, event) {
		if (!is_activity(event))
			continue;
		if (json_array_size(list) > RECORDS_MAX_ACTIVITIES)
			break; /* too many already, which records.c will say */
		one = activity_of(event, root);
		for (at = json_array_size(list); at > 0; at--)
			if (!is_before(one, json_array_get(list, at - 1)))
				break;
		json_array_insert_new(list, at, one);
	}
	return list;
}

const json_t *activities_last_event(const json_t *events)
{
	for (size_t i = json_array_size(events); i > 0; i--) {
		const json_t *event = json_array_get(events, i - 1);

		if (strcmp(text_of(event, "eventtype"), "extension") != 0)
			return event;
	}
	return NULL;
}
