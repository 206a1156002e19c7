/* api_checks.c - asking what is owed in some courses, and what the checks have found. */
#include "api_handlers.h"

#include <stdio.h>

#include "api_call.h"
#include "api_input.h"
#include "api_submit.h"
#include "mem.h"

#define COURSES_MAX 60

struct check {
	json_t *body;
	int64_t ids[COURSES_MAX];
	size_t count;
};

/* [{"id","name"}] in the order asked for. NULL: answered, one of them is not the student's. */
static json_t *pick_courses(struct request *r, const struct check *c, const json_t *names)
{
	json_t *picked = json_array();

	for (size_t i = 0; i < c->count; i++) {
		char id[24];
		json_t *name;

		snprintf(id, sizeof(id), "%lld", (long long)c->ids[i]);
		name = json_object_get(names, id);
		if (name == NULL) {
			reply_problem(r, 422, "course_not_yours",
				      "courses: %s is not in your course list", id);
			json_decref(picked);
			return NULL;
		}
		json_array_append_new(picked, json_pack("{s:I, s:O}", "id", (json_int_t)c->ids[i],
							"name", name));
	}
	return picked;
}

static void got_names(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		      void *arg)
{
	const struct check *c = arg;
	char job_id[ID_LEN + 1];
	struct submission *s;
	json_t *names, *picked;

	if (pgloop_rows(rows) == 0) {
		reply_problem(r, 409, "courses_unknown",
			      "Your course list is not known yet. Get /api/v1/courses first.");
		return;
	}
	names = api_json_value(rows, 0, 0);
	picked = pick_courses(r, c, names);
	json_decref(names);
	if (picked == NULL)
		return;
	vault_new_id(job_id);
	s = submit_new(r, JOB_CHECK, "POST /api/v1/checks");
	s->body = c->body;
	submit_add(s, job_id, json_pack("{s:o}", "courses", picked), NULL);
	submit_send(g, r, s);
}

void api_checks_create(struct gateway *g, struct request *r)
{
	static const char *const members[] = { "courses", NULL };
	const char *params[] = { request_session(r)->user_id, NULL };
	json_t *body = request_json(r);
	struct check *c;

	if (body == NULL)
		return;
	c = request_alloc(r, sizeof(*c));
	c->body = body;
	if (!input_members(r, body, members) ||
	    !input_ids(r, body, "courses", COURSES_MAX, "too_many_courses", c->ids, &c->count))
		return;
	params[1] = input_ids_as_array(r, c->ids, c->count);
	api_query_quick(g, r,
			"SELECT (SELECT coalesce(jsonb_object_agg(c->>'id', c->'name'), '{}') "
			"FROM jsonb_array_elements(l.courses) c "
			"WHERE (c->>'id')::bigint = ANY ($2::bigint[])) "
			"FROM pensum.course_lists l WHERE l.user_id = $1 AND l.expires_at > now()",
			ARRAY_LEN(params), params, got_names, c);
}

static void got_assignments(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			    void *arg)
{
	(void)g;
	(void)arg;
	reply_json(r, 200, json_pack("{s:o}", "courses", api_json_value(rows, 0, 0)));
}

void api_assignments_get(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id };

	api_query_quick(
		g, r,
		"SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.course_id, "
		"'name', c.course_name, 'checked_at', pensum.iso(c.checked_at), "
		"'read_at', pensum.iso(CASE WHEN c.failure_code IS NULL THEN c.checked_at "
		"ELSE c.read_at END), 'failure', CASE WHEN c.failure_code IS NOT NULL THEN jsonb_build_object("
		"'code', c.failure_code, 'message', coalesce(c.failure_message, '')) END, "
		"'assignments', coalesce(a.list, '[]'), 'activities', coalesce(o.list, '[]')) "
		"ORDER BY c.course_name, c.course_id), "
		"'[]') FROM pensum.course_checks c LEFT JOIN LATERAL ("
		"SELECT jsonb_agg(jsonb_build_object('id', a.cmid, 'name', a.name, "
		"'url', a.url, 'section', a.section, 'due', pensum.iso(a.due), "
		"'due_text', a.due_text, 'status', a.status, 'pending', a.pending, "
		"'handin', a.handin, 'reason', a.reason) ORDER BY a.position) AS list FROM "
		"pensum.assignments a "
		"WHERE a.user_id = c.user_id AND a.course_id = c.course_id) a ON true "
		"LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('id', o.cmid, "
		"'kind', o.kind, 'event', o.event, 'name', o.name, 'url', o.url, "
		"'due', pensum.iso(o.due), 'open', o.is_open) ORDER BY o.position) AS list "
		"FROM pensum.activities o "
		"WHERE o.user_id = c.user_id AND o.course_id = c.course_id) o ON true "
		"WHERE c.user_id = $1",
		ARRAY_LEN(params), params, got_assignments, NULL);
}
