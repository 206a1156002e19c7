/* api_checks.c - asking what is owed in some courses, and what the checks have found. */
#include "api_handlers.h"

#include <string.h>

#include "api_call.h"
#include "api_input.h"
#include "api_submit.h"
#include "mem.h"

#define COURSES_MAX 60

static bool reply_refused(struct request *r, const char *outcome, const char *what)
{
	if (strcmp(outcome, "courses_unknown") == 0)
		reply_problem(r, 409, outcome,
			      "Your course list is not known yet. Get /api/v1/courses first.");
	else if (strcmp(outcome, "course_not_yours") == 0)
		reply_problem(r, 422, outcome, "courses: %s is not in your course list", what);
	else
		return false;
	return true;
}

void api_checks_create(struct gateway *g, struct request *r)
{
	static const char *const members[] = { "courses", NULL };
	json_t *body = request_json(r);
	int64_t ids[COURSES_MAX];
	char job_id[ID_LEN + 1];
	struct submission *s;
	size_t count;

	if (body == NULL || !input_members(r, body, members) ||
	    !input_ids(r, body, "courses", COURSES_MAX, "too_many_courses", ids, &count))
		return;
	s = submit_new(r, JOB_CHECK, "POST /api/v1/checks");
	s->body = body;
	s->courses = json_object_get(body, "courses");
	s->refused_fn = reply_refused;
	vault_new_id(job_id);
	submit_add(s, job_id, json_object(), NULL);
	submit_send(g, r, s);
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
