/* api_documents.c - POST /api/v1/documents: one job for each assignment of the request, or none. */
#include "api_handlers.h"

#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "api_input.h"
#include "api_submit.h"
#include "mem.h"

#define ASSIGNMENTS_MAX 5

static const char *const formats[] = { "docx", NULL };
static const char *const drafts[] = { "template", NULL };

struct order {
	json_t *body;
	int64_t cmids[ASSIGNMENTS_MAX];
	size_t count;
	const char *name, *roll, *format, *draft;
};

/* The job's input: what is known of the assignment (taken), and what was asked for. */
static json_t *describe(const struct order *o, size_t index, json_t *assignment)
{
	json_object_set_new(assignment, "index", json_integer((json_int_t)index));
	json_object_set_new(assignment, "student",
			    json_pack("{s:s, s:s}", "name", o->name, "roll", o->roll));
	json_object_set_new(assignment, "format", json_string(o->format));
	json_object_set_new(assignment, "draft", json_string(o->draft));
	return assignment;
}

/* Which of them PostgreSQL did not find; 0: none. */
static int64_t find_unknown(const struct order *o, const json_t *known)
{
	char cmid[24];

	for (size_t i = 0; i < o->count; i++) {
		snprintf(cmid, sizeof(cmid), "%lld", (long long)o->cmids[i]);
		if (json_object_get(known, cmid) == NULL)
			return o->cmids[i];
	}
	return 0;
}

static void submit_all(struct gateway *g, struct request *r, const struct order *o,
		       const json_t *known)
{
	struct submission *s = submit_new(r, JOB_DOCUMENT, "POST /api/v1/documents");
	char job_id[ID_LEN + 1], cmid[24];

	s->body = o->body;
	vault_new_id(s->batch);
	for (size_t i = 0; i < o->count; i++) {
		snprintf(cmid, sizeof(cmid), "%lld", (long long)o->cmids[i]);
		vault_new_id(job_id);
		submit_add(s, job_id, describe(o, i, json_incref(json_object_get(known, cmid))),
			   NULL);
	}
	submit_send(g, r, s);
}

static void got_assignments(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			    void *arg)
{
	const struct order *o = arg;
	json_t *known = api_json_value(rows, 0, 0);
	int64_t unknown = find_unknown(o, known);

	if (unknown != 0)
		reply_problem(r, 422, "assignment_not_yours",
			      "assignments: %lld is not among your checked assignments",
			      (long long)unknown);
	else
		submit_all(g, r, o, known);
	json_decref(known);
}

static bool read_student(struct request *r, struct order *o)
{
	static const char *const members[] = { "name", "roll", NULL };
	json_t *student;

	return input_object(r, o->body, "student", &student) &&
	       input_members(r, student, members) &&
	       input_text(r, student, "name", 0, 200, INPUT_CHARACTERS, &o->name) &&
	       input_text(r, student, "roll", 0, 64, INPUT_CHARACTERS, &o->roll);
}

static bool read_order(struct request *r, struct order *o)
{
	static const char *const members[] = { "assignments", "student", "format", "draft", NULL };

	return input_members(r, o->body, members) &&
	       input_ids(r, o->body, "assignments", ASSIGNMENTS_MAX, "too_many_assignments",
			 o->cmids, &o->count) &&
	       read_student(r, o) &&
	       input_choice(r, o->body, "format", formats, "unknown_format", &o->format) &&
	       input_choice(r, o->body, "draft", drafts, "unknown_draft", &o->draft);
}

void api_documents_create(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id, NULL };
	json_t *body = request_json(r);
	struct order *o;

	if (body == NULL)
		return;
	o = request_alloc(r, sizeof(*o));
	o->body = body;
	if (!read_order(r, o))
		return;
	params[1] = input_ids_as_array(r, o->cmids, o->count);
	api_query_quick(
		g, r,
		"SELECT coalesce(jsonb_object_agg(a.cmid, jsonb_build_object('cmid', a.cmid, "
		"'title', a.name, 'url', a.url, 'due', pensum.epoch(a.due), 'course', "
		"jsonb_build_object('id', c.course_id, 'name', c.course_name))), '{}') "
		"FROM pensum.assignments a "
		"JOIN pensum.course_checks c USING (user_id, course_id) "
		"WHERE a.user_id = $1 AND a.cmid = ANY ($2::bigint[])",
		ARRAY_LEN(params), params, got_assignments, o);
}
