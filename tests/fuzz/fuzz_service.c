/* Any bytes as what Moodle's web service answers. Once as they are; and, when they are an array of
 * texts, as one answer after the other to a course list and to a check. What comes out are records
 * that records.c can judge, and of an assignment one that it takes. The same bytes are also what a script
 * says that reads Moodle in a browser: of whatever records.c takes nothing but records come out. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "activities.h"
#include "assignment_state.h"
#include "check_service.h"
#include "courses_service.h"
#include "records.h"
#include "service_answer.h"

#define ROOT	  "http://moodle.example.edu"
#define MAX_CALLS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const json_t *bodies; /* the answers that are still to come */
static size_t next_body;

static void expect(bool right)
{
	if (!right)
		abort();
}

static json_t *parse(const char *text, size_t len, size_t most)
{
	json_t *answer = service_answer_parse(text, len, most), *one;
	size_t i;

	expect(answer == NULL || json_is_array(answer) ||
	       json_is_string(json_object_get(answer, "errorcode")));
	expect(json_array_size(answer) <= most);
	json_array_foreach (answer, i, one)
		expect((json_object_get(one, "data") != NULL) !=
		       json_is_string(json_object_get(one, "errorcode")));
	return answer;
}

/* ---- in place of service.c and work.c ---- */

void work_progress(struct work *w, const char *step, int done, int total, const char *note)
{
	(void)w, (void)step, (void)done, (void)total, (void)note;
}

void service_add_call(json_t *calls, const char *function, json_t *arguments)
{
	expect(json_array_append_new(calls, json_pack("{s:s, s:o}", "function", function,
						      "arguments", arguments)) == 0);
}

enum service_end service_call(struct work *w, struct service *s, const json_t *calls, json_t **ret)
{
	const json_t *body = json_array_get(bodies, next_body++);
	json_t *answer;

	(void)w, (void)s;
	expect(json_array_size(calls) > 0 && json_array_size(calls) <= SERVICE_MAX_CALLS);
	answer = json_is_string(body) && next_body < MAX_CALLS
			 ? parse(json_string_value(body), json_string_length(body),
				 json_array_size(calls))
			 : NULL;
	if (json_is_array(answer)) {
		*ret = answer;
		return SERVICE_OK;
	}
	json_decref(answer);
	return SERVICE_NONE;
}

/* ---- what comes out ---- */

static void judge(json_t *answer, int (*fn)(const json_t *, json_t **, struct error *), bool must)
{
	json_t *list = NULL;
	int e = fn(answer, &list, NULL);

	expect(e == 0 || !must);
	json_decref(list);
	json_decref(answer);
}

static void ask_for_courses(struct service *s)
{
	json_t *answer = NULL;

	next_body = 0;
	if (courses_by_service(NULL, s, &answer) == SERVICE_OK)
		judge(answer, records_courses, false);
}

static void ask_for_checks(struct service *s)
{
	json_t *courses = json_pack("[{s:i}, {s:i}]", "id", 2, "id", 3), *answers = json_object(),
	       *answer;
	const char *id;
	int done = 0;

	next_body = 0;
	check_by_service(NULL, s, courses, answers, &done, 2);
	json_object_foreach (answers, id, answer) {
		expect(json_is_true(json_object_get(answer, "ok")));
		judge(json_incref(answer), records_assignments, false);
		judge(json_incref(answer), records_activities, false);
	}
	json_decref(answers);
	json_decref(courses);
}

static void judge_parts(const json_t *root)
{
	json_t *record = assignment_state(
		json_object_get(root, "assignment"), json_object_get(root, "status"),
		json_string_value(json_object_get(root, "why")), "A section", ROOT, 1000000);

	if (record != NULL)
		judge(json_pack("{s:[o]}", "assignments", record), records_assignments, true);
	judge(json_pack("{s:o}", "activities",
			activities_of(json_object_get(root, "events"), ROOT)),
	      records_activities, false);
}

/* What is taken is taken again, and is the same. */
static void judge_said(const json_t *said, const char *name,
		       int (*fn)(const json_t *, json_t **, struct error *))
{
	json_t *list = NULL, *again = NULL, *answer;

	if (fn(said, &list, NULL) < 0)
		return;
	answer = json_pack("{s:o}", name, list);
	expect(fn(answer, &again, NULL) == 0 && json_equal(list, again));
	json_decref(again);
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct service s = { .root = ROOT, .time = 1000000 };
	json_t *root = json_loadb((const char *)data, size, 0, NULL);

	json_decref(parse((const char *)data, size, 5));
	bodies = root;
	ask_for_courses(&s);
	ask_for_checks(&s);
	judge_parts(root);
	judge_said(root, "courses", records_courses);
	judge_said(root, "assignments", records_assignments);
	judge_said(root, "activities", records_activities);
	json_decref(root);
	return 0;
}
