#include "check_service.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "activities.h"
#include "assignment_state.h"
#include "calendar_service.h"
#include "id_map.h"
#include "mem.h"
#include "records.h"

#define MAX_COURSES    10 /* at once */
#define MAX_ERRORS     5  /* of one check: each costs a request */
#define OVERVIEW_SINCE 5  /* from this version on Moodle's list names the first section too */

struct check {
	struct work *w;
	struct service *s;
	json_t *answers;
	const json_t *courses; /* of the whole check */
	size_t from, count;    /* the group */
	bool is_first, names_first;
	int errors;

	/* the group's */
	bool has_calendar;
	json_t *told;	  /* course id → mod_assign_get_assignments' course */
	json_t *events;	  /* course id → [event] */
	json_t *sections; /* cmid → {"name", "at"}: in the order of the course's page */
	json_t *states;	  /* cmid → {"data"} or {"errorcode"} */
};

/* ---- helpers ---- */

static json_t *course_id(const struct check *c, size_t i)
{
	return json_object_get(json_array_get(c->courses, c->from + i), "id");
}

static json_t *group_ids(const struct check *c)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < c->count; i++)
		json_array_append(ids, course_id(c, i));
	return ids;
}

static enum service_end call_and_free(struct check *c, json_t *calls, json_t **ret)
{
	enum service_end end = service_call(c->w, c->s, calls, ret);

	json_decref(calls);
	return end;
}

/* ---- what the group's courses hold ---- */

static void take_release(struct check *c, const json_t *answer)
{
	const char *release =
		json_string_value(json_object_get(json_object_get(answer, "data"), "release"));

	c->names_first = release != NULL && atoi(release) >= OVERVIEW_SINCE;
}

static bool is_asked(const struct check *c, const json_t *id)
{
	for (size_t i = 0; i < c->count; i++)
		if (json_equal(course_id(c, i), id))
			return true;
	return false;
}

static bool can_be_asked_about(const json_t *assignments)
{
	json_t *one;
	size_t i;

	if (!json_is_array(assignments) || json_array_size(assignments) > RECORDS_MAX_ASSIGNMENTS)
		return false;
	json_array_foreach (assignments, i, one)
		if (!json_is_integer(json_object_get(one, "id")) ||
		    !json_is_integer(json_object_get(one, "cmid")))
			return false;
	return true;
}

static void take_courses(struct check *c, const json_t *answer)
{
	json_t *course;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(answer, "data"), "courses"), i, course)
		if (is_asked(c, json_object_get(course, "id")) &&
		    can_be_asked_about(json_object_get(course, "assignments")))
			id_map_set(c->told, json_object_get(course, "id"), course);
}

static enum service_end ask_group(struct check *c)
{
	json_t *calls = json_array(), *answers = NULL;
	enum service_end end;
	size_t at = 0;

	if (c->is_first)
		service_add_call(calls, "core_webservice_get_site_info", json_object());
	service_add_call(calls, "mod_assign_get_assignments",
			 json_pack("{s:o}", "courseids", group_ids(c)));
	/* the last, since the site may do without a calendar */
	calendar_add_call(calls, group_ids(c));
	end = call_and_free(c, calls, &answers);
	if (end != SERVICE_OK)
		return end;
	if (c->is_first)
		take_release(c, json_array_get(answers, at++));
	take_courses(c, json_array_get(answers, at++));
	c->has_calendar = calendar_take(json_array_get(answers, at), c->events);
	json_decref(answers);
	c->is_first = false;
	return SERVICE_OK;
}

/* ---- sections and states: many questions, as many in a request as it takes ---- */

/* What is asked of one course (sections) or one assignment (state). */
static void add_questions(const struct check *c, json_t *questions)
{
	json_t *course, *assignment, *id;
	const char *key;
	size_t i;

	for (i = 0; i < c->count; i++) {
		id = course_id(c, i);
		if (json_array_size(json_object_get(id_map_get(c->told, id), "assignments")) > 0)
			service_add_call(questions, "core_course_get_contents",
					 json_pack("{s:O, s:[{s:s, s:s}, {s:s, s:s}]}", "courseid",
						   id, "options", "name", "modname", "value",
						   "assign", "name", "excludecontents", "value",
						   "1"));
	}
	json_object_foreach (c->told, key, course) {
		json_array_foreach (json_object_get(course, "assignments"), i, assignment) {
			service_add_call(
				questions, "mod_assign_get_submission_status",
				json_pack("{s:O}", "assignid", json_object_get(assignment, "id")));
			json_object_set(json_array_get(questions, json_array_size(questions) - 1),
					"cmid", json_object_get(assignment, "cmid"));
		}
	}
}

/* Moodle's list names the sections of a course's page, up to 4.5 without the first. */
static void take_sections(struct check *c, const json_t *answer)
{
	json_t *section, *module, *place, *name;
	size_t i, n;

	json_array_foreach (json_object_get(answer, "data"), i, section) {
		bool is_named = c->names_first ||
				json_integer_value(json_object_get(section, "section")) > 0;

		name = json_object_get(section, "name");
		json_array_foreach (json_object_get(section, "modules"), n, module) {
			place = json_pack("{s:O*, s:I}", "name", is_named ? name : NULL, "at",
					  (json_int_t)json_object_size(c->sections));
			id_map_set(c->sections, json_object_get(module, "id"), place);
			json_decref(place);
		}
	}
}

static void take_answer(struct check *c, const json_t *question, json_t *answer)
{
	json_t *cmid = json_object_get(question, "cmid");

	c->errors += json_object_get(answer, "errorcode") != NULL;
	if (cmid != NULL)
		id_map_set(c->states, cmid, answer);
	else
		take_sections(c, answer);
}

/* Moodle stops behind the first error: the rest is asked again without it. */
static enum service_end ask_all(struct check *c, const json_t *questions)
{
	size_t at = 0, total = json_array_size(questions);

	while (at < total && c->errors <= MAX_ERRORS) {
		json_t *calls = json_array(), *answers = NULL, *answer;
		enum service_end end;
		size_t i;

		for (i = at; i < total && i < at + SERVICE_MAX_CALLS; i++)
			json_array_append(calls, json_array_get(questions, i));
		end = call_and_free(c, calls, &answers);
		if (end != SERVICE_OK)
			return end;
		json_array_foreach (answers, i, answer)
			take_answer(c, json_array_get(questions, at + i), answer);
		i = json_array_size(answers);
		json_decref(answers);
		if (i == 0)
			return SERVICE_NONE;
		at += i;
	}
	return at < total ? SERVICE_NONE : SERVICE_OK;
}

/* ---- the answer ---- */

/* The one section of a course that is a single activity has the course's name, and the list names none. */
static const char *section_of(const struct check *c, const json_t *course, const json_t *cmid)
{
	const char *section = json_string_value(
			   json_object_get(id_map_get(c->sections, cmid), "name")),
		   *name = json_string_value(json_object_get(course, "fullname"));
	const bool is_own = section != NULL && (name == NULL || strcmp(section, name) != 0);

	return is_own ? section : "";
}

static json_t *describe(const struct check *c, const json_t *course, const json_t *assignment)
{
	const json_t *cmid = json_object_get(assignment, "cmid"),
		     *state = id_map_get(c->states, cmid);
	const char *code = json_string_value(json_object_get(state, "errorcode"));
	CLEANUP_FREE char *why = code ? mem_printf("Moodle answers \"%.60s\"", code) : NULL;

	return assignment_state(assignment, json_object_get(state, "data"), why,
				section_of(c, course, cmid), c->s->root, c->s->time);
}

/* What is not on the course's page stands behind all that is. */
static json_int_t place_of(const struct check *c, const json_t *record)
{
	const json_t *place = id_map_get(c->sections, json_object_get(record, "cmid"));

	return place ? json_integer_value(json_object_get(place, "at")) : INT_MAX;
}

/* Nearly always at the end: Moodle tells them in an order of its own, which is mostly the page's.
 */
static void add_in_order(const struct check *c, json_t *records, json_t *record)
{
	size_t at = json_array_size(records);

	while (at > 0 && place_of(c, json_array_get(records, at - 1)) > place_of(c, record))
		at--;
	json_array_insert_new(records, at, record);
}

static void answer_course(struct check *c, const json_t *id)
{
	const json_t *course = id_map_get(c->told, id);
	json_t *assignments, *one, *record, *answer, *events = id_map_get(c->events, id);
	bool tells = c->has_calendar && !json_is_null(events);
	size_t i;

	if (course == NULL)
		return;
	assignments = json_array();
	json_array_foreach (json_object_get(course, "assignments"), i, one) {
		record = describe(c, course, one);
		if (record == NULL) {
			json_decref(assignments);
			return;
		}
		add_in_order(c, assignments, record);
	}
	answer = json_pack("{s:b, s:I, s:o, s:o}", "ok", 1, "at",
			   (json_int_t)(clock_wall_ms() / 1000), "assignments", assignments,
			   "activities",
			   tells ? activities_of(events, c->s->root) : json_null());
	id_map_set(c->answers, id, answer);
	json_decref(answer);
}

static enum service_end check_group(struct check *c)
{
	json_t *questions = json_array();
	enum service_end end = ask_group(c);

	for (size_t i = 0; end == SERVICE_OK && i < c->count; i++)
		end = calendar_ask_more(c->w, c->s, course_id(c, i), c->events);
	if (end == SERVICE_OK) {
		add_questions(c, questions);
		end = ask_all(c, questions);
	}
	for (size_t i = 0; end == SERVICE_OK && i < c->count; i++)
		answer_course(c, course_id(c, i));
	json_decref(questions);
	return end;
}

static void clear_group(struct check *c)
{
	json_object_clear(c->told);
	json_object_clear(c->events);
	json_object_clear(c->sections);
	json_object_clear(c->states);
}

enum service_end check_by_service(struct work *w, struct service *s, const json_t *courses,
				  json_t *answers, int *done, int total)
{
	struct check c = { .w = w,
			   .s = s,
			   .answers = answers,
			   .courses = courses,
			   .is_first = true,
			   .told = json_object(),
			   .events = json_object(),
			   .sections = json_object(),
			   .states = json_object() };
	size_t count = json_array_size(courses);
	enum service_end end = SERVICE_OK;
	int first = *done;

	for (c.from = 0; end == SERVICE_OK && c.from < count; c.from += c.count) {
		c.count = MIN(count - c.from, MAX_COURSES);
		*done = first + (int)c.from;
		work_progress(w, "checking courses", *done, total, "");
		end = check_group(&c);
		clear_group(&c);
	}
	json_decref(c.told);
	json_decref(c.events);
	json_decref(c.sections);
	json_decref(c.states);
	return end;
}
