#include "records.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "id_map.h"
#include "mem.h"

enum type {
	TYPE_ID,
	TYPE_TEXT,
	TYPE_NUMBER_OR_NULL,
	TYPE_DATE,
	TYPE_DATE_OR_NULL,
	TYPE_BOOL,
	TYPE_BOOL_OR_NULL
};

struct member {
	const char *name;
	enum type type;
	size_t max_bytes;
	bool optional;
};

static const struct member course_members[] = {
	{ "id", TYPE_ID, 0, false },
	{ "name", TYPE_TEXT, 1024, false },
	{ "shortname", TYPE_TEXT, 1024, true },
	{ "url", TYPE_TEXT, 2048, true },
	{ "category", TYPE_TEXT, 1024, true },
	{ "start", TYPE_NUMBER_OR_NULL, 0, true },
	{ "end", TYPE_NUMBER_OR_NULL, 0, true },
	{ "progress", TYPE_NUMBER_OR_NULL, 0, true },
	{ "hidden", TYPE_BOOL, 0, true },
	{ "starred", TYPE_BOOL, 0, true },
	{ "state", TYPE_TEXT, 16, true },
};

static const struct member assignment_members[] = {
	{ "cmid", TYPE_ID, 0, false },	       { "name", TYPE_TEXT, 2048, false },
	{ "url", TYPE_TEXT, 2048, false },     { "section", TYPE_TEXT, 1024, true },
	{ "due", TYPE_DATE_OR_NULL, 0, true }, { "due_text", TYPE_TEXT, 256, true },
	{ "status", TYPE_TEXT, 16, false },    { "pending", TYPE_BOOL_OR_NULL, 0, false },
	{ "handin", TYPE_TEXT, 16, false },    { "reason", TYPE_TEXT, 512, true },
};

static const struct member activity_members[] = {
	{ "cmid", TYPE_ID, 0, false },	    { "kind", TYPE_TEXT, 128, false },
	{ "event", TYPE_TEXT, 128, false }, { "name", TYPE_TEXT, 2048, false },
	{ "url", TYPE_TEXT, 2048, false },  { "due", TYPE_DATE, 0, false },
	{ "open", TYPE_BOOL, 0, false },
};

static bool is_date(const json_t *value)
{
	double at = json_number_value(value);

	return json_is_number(value) && at >= -(double)RECORDS_MAX_DATE &&
	       at <= (double)RECORDS_MAX_DATE;
}

/* jansson refuses bad UTF-8 and, without JSON_ALLOW_NUL, NUL: text needs only its size checked. */
static bool fits(const struct member *m, const json_t *value)
{
	switch (m->type) {
	case TYPE_ID:
		return json_is_integer(value) && json_integer_value(value) > 0;
	case TYPE_TEXT:
		return json_is_string(value) && json_string_length(value) <= m->max_bytes;
	case TYPE_NUMBER_OR_NULL:
		return json_is_number(value) || json_is_null(value);
	case TYPE_DATE:
		return is_date(value);
	case TYPE_DATE_OR_NULL:
		return is_date(value) || json_is_null(value);
	case TYPE_BOOL:
		return json_is_boolean(value);
	case TYPE_BOOL_OR_NULL:
		return json_is_boolean(value) || json_is_null(value);
	}
	return false;
}

static int copy_record(const json_t *from, const struct member *members, size_t count, json_t *list,
		       struct error *err)
{
	json_t *record = json_object();

	json_array_append_new(list, record);
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(from, members[i].name);

		if (value == NULL && members[i].optional)
			continue;
		if (value == NULL || !fits(&members[i], value))
			return error_set(err, -EBADMSG, "a record's \"%s\" is missing or not valid",
					 members[i].name);
		json_object_set(record, members[i].name, value);
	}
	return 0;
}

static int copy_records(const json_t *answer, const char *list_name, size_t max,
			const struct member *members, size_t count, json_t **ret, struct error *err)
{
	const json_t *from = json_object_get(answer, list_name);
	json_t *list = json_array();

	if (!json_is_array(from) || json_array_size(from) > max) {
		json_decref(list);
		return error_set(err, -EBADMSG, "\"%s\" is not a list of at most %zu", list_name,
				 max);
	}
	for (size_t i = 0; i < json_array_size(from); i++) {
		int e = copy_record(json_array_get(from, i), members, count, list, err);

		if (e < 0) {
			json_decref(list);
			return e;
		}
	}
	*ret = list;
	return 0;
}

int records_courses(const json_t *answer, json_t **ret, struct error *err)
{
	return copy_records(answer, "courses", RECORDS_MAX_COURSES, course_members,
			    ARRAY_LEN(course_members), ret, err);
}

static bool is_one_of(const json_t *value, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], json_string_value(value)) == 0)
			return true;
	return false;
}

static bool assignment_is_known(const json_t *one)
{
	static const char *const statuses[] = { "none",	    "draft",  "submitted",
						"reopened", "graded", "unknown" };
	static const char *const handins[] = { "open",	  "later", "closed", "locked", "offline",
					       "no_team", "team",  "done",   "unknown" };

	return is_one_of(json_object_get(one, "status"), statuses, ARRAY_LEN(statuses)) &&
	       is_one_of(json_object_get(one, "handin"), handins, ARRAY_LEN(handins));
}

/* One of them is one row. */
static bool are_unlike(const json_t *assignments)
{
	json_t *known = json_object(), *one;
	size_t i;

	json_array_foreach (assignments, i, one)
		id_map_set(known, json_object_get(one, "cmid"), json_true());
	i = json_object_size(known);
	json_decref(known);
	return i == json_array_size(assignments);
}

static int refuse(json_t *list, struct error *err, const char *why)
{
	json_decref(list);
	return error_set(err, -EBADMSG, "%s", why);
}

int records_assignments(const json_t *answer, json_t **ret, struct error *err)
{
	json_t *list, *one;
	size_t i;
	int e = copy_records(answer, "assignments", RECORDS_MAX_ASSIGNMENTS, assignment_members,
			     ARRAY_LEN(assignment_members), &list, err);

	if (e < 0)
		return e;
	json_array_foreach (list, i, one)
		if (!assignment_is_known(one))
			return refuse(list, err, "unknown assignment status");
	if (!are_unlike(list))
		return refuse(list, err, "an assignment is told twice");
	*ret = list;
	return 0;
}

int records_activities(const json_t *answer, json_t **ret, struct error *err)
{
	if (json_is_null(json_object_get(answer, "activities"))) {
		*ret = json_null();
		return 0;
	}
	return copy_records(answer, "activities", RECORDS_MAX_ACTIVITIES, activity_members,
			    ARRAY_LEN(activity_members), ret, err);
}
