#include "check_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

static int store_assignments(struct work *w, const char *course_id, const json_t *list,
			     struct error *err)
{
	CLEANUP_FREE char *text = json_dumps(list, JSON_COMPACT);
	const char *params[] = { w->user_id, course_id, text };
	int e = pg_exec(
		w->pg,
		"DELETE FROM pensum.assignments WHERE user_id = $1 AND course_id = $2::bigint", 2,
		params, NULL, err);

	if (e < 0)
		return e;
	return pg_exec(
		w->pg,
		"INSERT INTO pensum.assignments (user_id, cmid, course_id, name, url, section, "
		"due, due_text, status, pending, handin, reason, position) "
		"SELECT $1, a.cmid, $2::bigint, a.name, a.url, coalesce(a.section, ''), "
		"to_timestamp(a.due), coalesce(a.due_text, ''), a.status, a.pending, a.handin, "
		"coalesce(a.reason, ''), o.ord FROM jsonb_array_elements($3::jsonb) "
		"WITH ORDINALITY AS o(item, ord), jsonb_to_record(o.item) AS a(cmid bigint, "
		"name text, url text, section text, due double precision, due_text text, "
		"status text, pending boolean, handin text, reason text) "
		"ON CONFLICT (user_id, cmid) DO UPDATE SET course_id = excluded.course_id, "
		"name = excluded.name, url = excluded.url, section = excluded.section, "
		"due = excluded.due, due_text = excluded.due_text, status = excluded.status, "
		"pending = excluded.pending, handin = excluded.handin, "
		"reason = excluded.reason, position = excluded.position",
		3, params, NULL, err);
}

static int store_activities(struct work *w, const char *course_id, const json_t *list,
			    struct error *err)
{
	CLEANUP_FREE char *text = json_dumps(list, JSON_COMPACT);
	const char *params[] = { w->user_id, course_id, text };
	int e = pg_exec(
		w->pg,
		"DELETE FROM pensum.activities WHERE user_id = $1 AND course_id = $2::bigint", 2,
		params, NULL, err);

	if (e < 0)
		return e;
	return pg_exec(
		w->pg,
		"INSERT INTO pensum.activities (user_id, course_id, position, cmid, kind, event, "
		"name, url, due, is_open) SELECT $1, $2::bigint, o.ord, a.cmid, a.kind, a.event, "
		"a.name, a.url, to_timestamp(a.due), a.open "
		"FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS o(item, ord), "
		"jsonb_to_record(o.item) AS a(cmid bigint, kind text, event text, name text, "
		"url text, due double precision, open boolean)",
		3, params, NULL, err);
}

/* For the student's calendar link, if there is one. */
static int update_calendar(struct work *w, const char *course_id, struct error *err)
{
	const char *params[] = { w->user_id, course_id };

	return pg_exec(w->pg, "SELECT pensum.calendar_update($1, $2::bigint)", 2, params, NULL,
		       err);
}

int check_rows_store(struct work *w, json_t *outcome, struct error *err)
{
	json_t *course = json_object_get(outcome, "course");
	const json_t *assignments = json_object_get(outcome, "assignments"),
		     *activities = json_object_get(outcome, "activities");
	char id[24], at[24];
	const char *params[] = { w->user_id,
				 id,
				 json_string_value(json_object_get(course, "name")),
				 json_string_value(json_object_get(outcome, "code")),
				 json_string_value(json_object_get(outcome, "message")),
				 at };
	int e;

	snprintf(id, sizeof(id), "%lld",
		 (long long)json_integer_value(json_object_get(course, "id")));
	snprintf(at, sizeof(at), "%lld",
		 (long long)json_integer_value(json_object_get(outcome, "at")));
	e = pg_exec(
		w->pg,
		"INSERT INTO pensum.course_checks "
		"(user_id, course_id, course_name, failure_code, failure_message, checked_at, "
		"read_at) VALUES ($1, $2::bigint, $3, $4, $5, to_timestamp($6::bigint), "
		"CASE WHEN $4::text IS NULL THEN to_timestamp($6::bigint) END) "
		"ON CONFLICT (user_id, course_id) DO UPDATE SET course_name = $3, "
		"failure_code = $4, failure_message = $5, checked_at = excluded.checked_at, "
		"read_at = coalesce(excluded.read_at, course_checks.read_at)",
		6, params, NULL, err);
	/* Not checked: what was known stays, with the reason beside it. */
	if (e == 0 && assignments != NULL)
		e = store_assignments(w, id, assignments, err);
	if (e == 0 && json_is_array(activities))
		e = store_activities(w, id, activities, err);
	return e < 0 ? e : update_calendar(w, id, err);
}
