#include "jobs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check_rows.h"
#include "check_service.h"
#include "courses.h"
#include "failure.h"
#include "id_map.h"
#include "log.h"
#include "mem.h"
#include "moodle.h"
#include "records.h"
#include "script_check_course.h"

#define MAX_SILENT  3 /* courses in a row without an answer: then the site is not asked on */
#define CODE_SILENT "site_down"

/* One course's outcome: {"course":{id,name}, "at": epoch, "assignments":[…], "activities":[…] | null} or
 * {…, "code","message"}. */
struct check {
	json_t *outcomes;
	json_t *ids; /* of all to be asked: what one request can tell of several is asked once */
	json_t *told;	    /* by the web service: course id → answer */
	json_t *unanswered; /* courses for which the site had no answer, to be asked for again */
	json_t *done;	    /* ids of courses that an earlier attempt has stored */
	json_t *left;	    /* the others */
	long long requests, bytes; /* what those cost */
	int pending, failed;
	int told_done; /* the student was told that so many are behind us: never fewer */
	int answered; /* courses of which the site said something, if only that they are hidden */
	int silent;   /* courses in a row of which it said nothing */
};

static void check_done(void *check)
{
	struct check *c = check;

	json_decref(c->outcomes);
	json_decref(c->ids);
	json_decref(c->told);
	json_decref(c->unanswered);
	json_decref(c->done);
	json_decref(c->left);
}

static void count_pending(struct check *c, const json_t *assignments)
{
	json_t *one;
	size_t i;

	json_array_foreach (assignments, i, one)
		c->pending += json_is_true(json_object_get(one, "pending"));
}

static json_int_t now_s(void)
{
	return clock_wall_ms() / 1000;
}

/* What one course could not tell must not hide what the others did. */
static void add_failure(struct check *c, json_t *course, const char *code, const char *message)
{
	c->failed++;
	json_array_append_new(c->outcomes,
			      json_pack("{s:O, s:I, s:s, s:s}", "course", course, "at", now_s(),
					"code", code, "message", message));
}

static int add_records(struct check *c, json_t *course, const json_t *answer, json_int_t at,
		       struct error *err)
{
	json_t *assignments, *activities;
	int e = records_assignments(answer, &assignments, err);

	if (e < 0)
		return e;
	e = records_activities(answer, &activities, err);
	if (e < 0) {
		json_decref(assignments);
		return e;
	}
	count_pending(c, assignments);
	json_array_append_new(c->outcomes,
			      json_pack("{s:O, s:I, s:o, s:o}", "course", course, "at", at,
					"assignments", assignments, "activities", activities));
	return 0;
}

/* One course's page may be broken while all others are well. Whether the site itself is away shows
 * when there are more. */
static void add_silence(struct check *c, json_t *course)
{
	c->silent++;
	json_array_append(c->unanswered, course);
}

/* at: when Moodle told it. */
static int add_answer(struct work *w, struct moodle *m, struct check *c, json_t *course,
		      const json_t *answer, json_int_t at)
{
	const char *code = json_string_value(json_object_get(answer, "code"));
	const char *message = json_string_value(json_object_get(answer, "message"));
	struct error err;

	if (code != NULL && strcmp(code, CODE_SILENT) == 0) {
		add_silence(c, course);
		return 0;
	}
	c->silent = 0;
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const struct failure *row = failure_find(code ? code : "not_understood");

		/* The session is gone for all courses alike. */
		if (row->next != FAILURE_FINAL)
			return moodle_fail(w, m, row->code, message);
		c->answered++;
		add_failure(c, course, row->code, message ? message : row->message);
		return 0;
	}
	c->answered++;
	if (add_records(c, course, answer, at, &err) < 0) {
		log_warning("assignments refused", "err=\"%s\"", err.text);
		add_failure(c, course, "not_understood", failure_find("not_understood")->message);
	}
	return 0;
}

/* By the web service, which told it before any browser was waited for. */
static int add_told(struct work *w, struct moodle *m, struct check *c, json_t *course,
		    const json_t *told)
{
	return add_answer(w, m, c, course, told,
			  json_integer_value(json_object_get(told, "at")));
}

static int check_course(struct work *w, struct moodle *m, struct check *c, json_t *course)
{
	CLEANUP_FREE char *attempt = mem_printf("%s %d", w->id, w->attempt); /* pages are kept */
	json_t *args = json_pack("{s:O, s:O, s:s}", "course", course, "courses", c->ids, "check",
				 attempt),
	       *answer;
	int e = moodle_run(w, m, script_check_course, args, true, &answer);

	if (e == 0) {
		e = add_answer(w, m, c, course, answer, now_s());
		json_decref(answer);
	}
	return e;
}

static int commit(struct work *w, void *arg, struct error *err)
{
	const struct check *c = arg;
	json_t *outcome;
	size_t i;

	json_array_foreach (c->outcomes, i, outcome) {
		int e = check_rows_store(w, outcome, err);

		if (e < 0)
			return e;
	}
	return 0;
}

static void after(struct work *w, void *arg)
{
	(void)arg;
	course_list_changed(w);
}

/* Also when half of the time is gone: what has been found out is to arrive. */
static bool is_silent_for_good(const struct work *w, const struct check *c)
{
	return c->silent >= MAX_SILENT ||
	       (c->silent > 0 &&
		deadline_left_ms(w->deadline) < w->settings->checker_time_limit_s * 500);
}

/* A browser is leased for the first course of which the web service has told nothing. Only then is it being
 * checked. */
static int get_browser(struct work *w, struct moodle *m, const json_t *told)
{
	if (told != NULL || m->lease != NULL)
		return 0;
	if (service_allow_browser(w) < 0)
		return -1;
	return moodle_open_signed_in(w, POOL_CHECK, m);
}

/* Asks for each course, done of total behind us. What is left out is unanswered, too. */
static int check_courses(struct work *w, struct moodle *m, struct check *c, const json_t *courses,
			 int done, int total)
{
	json_t *course;
	size_t i;

	json_array_foreach (courses, i, course) {
		const char *name = json_string_value(json_object_get(course, "name"));
		const json_t *told = id_map_get(c->told, json_object_get(course, "id"));

		if (name == NULL)
			return work_fail(w, "bad_input", NULL);
		if (is_silent_for_good(w, c)) {
			json_array_append(c->unanswered, course);
			continue;
		}
		if (get_browser(w, m, told) < 0)
			return -1;
		c->told_done = MAX(c->told_done, done + (int)i);
		work_progress(w, "checking courses", c->told_done, total, name);
		if ((told != NULL ? add_told(w, m, c, course, told)
				  : check_course(w, m, c, course)) < 0)
			return -1;
	}
	return 0;
}

/* Once more for what was not answered, after all others; then it is a failure of its own. When
 * nothing was answered, it is the job's. */
static int check_again(struct work *w, struct moodle *m, struct check *c, int total)
{
	json_t *courses = c->unanswered, *course;
	int e = 0;
	size_t i;

	if (c->answered == 0)
		return work_fail(w, CODE_SILENT, NULL);
	c->unanswered = json_array();
	e = check_courses(w, m, c, courses, total - (int)json_array_size(courses), total);
	json_decref(courses);
	json_array_foreach (c->unanswered, i, course)
		add_failure(c, course, CODE_SILENT, failure_find(CODE_SILENT)->message);
	return e;
}

/* The road without a browser, as far as it leads. */
static int ask_service(struct work *w, struct service *s, struct check *c, int total)
{
	enum service_end end = service_open(w, s);

	if (end == SERVICE_OK)
		end = check_by_service(w, s, c->left, c->told, &c->told_done, total);
	return end == SERVICE_FAILED ? -1 : 0;
}

static bool has_id(const json_t *ids, const json_t *id)
{
	const json_t *one;
	size_t i;

	json_array_foreach (ids, i, one)
		if (json_equal(one, id))
			return true;
	return false;
}

/* What an earlier attempt has stored is not read again. */
static void begin(struct check *c, const json_t *courses, const json_t *part)
{
	json_t *course;
	size_t i;

	c->outcomes = json_array();
	c->ids = json_array();
	c->told = json_object();
	c->unanswered = json_array();
	c->left = json_array();
	c->done = json_deep_copy(json_object_get(part, "done"));
	if (c->done == NULL)
		c->done = json_array();
	c->answered = c->told_done = (int)json_array_size(c->done);
	c->pending = (int)json_integer_value(json_object_get(part, "pending"));
	c->failed = (int)json_integer_value(json_object_get(part, "failed"));
	c->requests = json_integer_value(json_object_get(part, "requests"));
	c->bytes = json_integer_value(json_object_get(part, "bytes"));
	json_array_foreach (courses, i, course) {
		if (has_id(c->done, json_object_get(course, "id")))
			continue;
		json_array_append(c->left, course);
		json_array_append(c->ids, json_object_get(course, "id"));
	}
}

/* The attempt has failed: should it not be the last, it leaves what it has found out. */
static int leave(struct work *w, struct check *c, const struct service *s, const struct moodle *m)
{
	json_t *outcome;
	size_t i;

	if (json_array_size(c->outcomes) == 0)
		return -1;
	json_array_foreach (c->outcomes, i, outcome)
		json_array_append(c->done,
				  json_object_get(json_object_get(outcome, "course"), "id"));
	work_keep(w,
		  json_pack("{s:O, s:i, s:i, s:I, s:I}", "done", c->done, "pending", c->pending,
			    "failed", c->failed, "requests",
			    (json_int_t)(c->requests + s->requests + m->requests), "bytes",
			    (json_int_t)(c->bytes + s->bytes + m->bytes)),
		  commit, after, c);
	return -1;
}

int job_check(struct work *w)
{
	CLEANUP(service_close) struct service s = SERVICE_INIT;
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	struct check *c = work_alloc(w, sizeof(*c), check_done);
	json_t *courses = json_object_get(w->input, "courses");
	int total = (int)json_array_size(courses);

	begin(c, courses, w->part);
	if (total == 0)
		return work_fail(w, "bad_input", NULL);
	if (ask_service(w, &s, c, total) < 0 ||
	    check_courses(w, &m, c, c->left, total - (int)json_array_size(c->left), total) < 0 ||
	    check_again(w, &m, c, total) < 0)
		return leave(w, c, &s, &m);
	work_progress(w, "checking courses", total, total, "");
	work_on_commit(w, commit, after, c);
	w->result = json_pack("{s:i, s:i, s:i}", "courses", total, "pending", c->pending, "failed",
			      c->failed);
	service_tell_cost(w, &s, c->requests + m.requests, c->bytes + m.bytes);
	return 0;
}
