/*
 * api_courses.c - the course list: Redis, else PostgreSQL, else a job that reads it from Moodle.
 *
 * Redis keeps the whole answer, so that a list which is there costs nobody more than its bytes. Who
 * changes what is in it (a course list read, a course checked, a refresh) leaves an empty value
 * there for some seconds: the next request asks PostgreSQL, and an answer that was under way
 * meanwhile does not come to stay.
 */
#include "api_handlers.h"

#include <stdio.h>

#include "api_call.h"
#include "api_submit.h"
#include "clock.h"
#include "keys.h"
#include "lock.h"
#include "mem.h"

#define LOCK_MS 5000

static void read_from_moodle(struct gateway *g, struct request *r, const char *what)
{
	struct submission *s = submit_new(r, JOB_COURSES, what);
	char job_id[ID_LEN + 1];

	vault_new_id(job_id);
	s->reuse = true;
	submit_add(s, job_id, json_object(), NULL);
	submit_send(g, r, s);
}

static json_t *format(const struct pgloop_result *rows)
{
	json_t *courses = api_json_value(rows, 0, 0), *checks = api_json_value(rows, 0, 4), *course;
	char id[24];
	size_t i;

	json_array_foreach (courses, i, course) {
		json_t *at;

		snprintf(id, sizeof(id), "%lld",
			 (long long)json_integer_value(json_object_get(course, "id")));
		at = json_object_get(checks, id);
		json_object_set_new(course, "checked_at", at ? json_incref(at) : json_null());
	}
	json_decref(checks);
	return json_pack("{s:o, s:s, s:s, s:s}", "courses", courses, "read_at",
			 pgloop_value(rows, 0, 1), "expires_at", pgloop_value(rows, 0, 2), "source",
			 "redis");
}

static void got_list(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	char key[KEY_SIZE];
	json_t *answer;

	(void)arg;
	if (pgloop_rows(rows) == 0) {
		read_from_moodle(g, r, NULL);
		return;
	}
	answer = format(rows);
	key_courses(key, request_session(r)->user_id);
	api_redis_refill(
		g, key, answer,
		MIN(api_int_value(rows, 0, 3), clock_wall_ms() / 1000 + KEY_COURSES_TTL_S));
	json_object_set_new(answer, "source", json_string("postgres"));
	reply_json(r, 200, answer);
}

static void got_cached(struct gateway *g, struct request *r, const char *text, size_t len,
		       void *arg)
{
	const char *params[] = { request_session(r)->user_id };

	(void)arg;
	if (text != NULL)
		reply_json_text(r, 200, text, len);
	else
		api_query(g, r,
			  "SELECT courses, pensum.iso(read_at), pensum.iso(expires_at), "
			  "pensum.epoch(expires_at), "
			  "(SELECT jsonb_object_agg(course_id, pensum.iso(checked_at)) "
			  "FROM pensum.course_checks WHERE user_id = $1) "
			  "FROM pensum.course_lists WHERE user_id = $1 AND expires_at > now()",
			  ARRAY_LEN(params), params, got_list, NULL);
}

void api_courses_get(struct gateway *g, struct request *r)
{
	char key[KEY_SIZE];

	key_courses(key, request_session(r)->user_id);
	api_redis_get_text(g, r, key, got_cached, NULL);
}

struct refresh {
	struct gateway *g;
	struct request *r;
	struct lock lock;
};

static void give_back(void *arg)
{
	struct refresh *f = arg;

	lock_release(f->g, &f->lock);
}

static void dropped(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		    void *arg)
{
	char key[KEY_SIZE];

	(void)rows;
	(void)arg;
	key_courses(key, request_session(r)->user_id);
	api_redis_send(g, "SET", key, "", "EX", KEY_CHANGED_S, NULL);
	read_from_moodle(g, r, "POST /api/v1/courses/refresh");
}

/* Not taken: another request of the same student drops the list at this moment, and both get the
 * one job that PostgreSQL lets in. */
static void refresh_begin(bool taken, void *arg)
{
	struct refresh *f = arg;
	const char *params[] = { request_session(f->r)->user_id };

	if (taken)
		api_query(f->g, f->r, "DELETE FROM pensum.course_lists WHERE user_id = $1",
			  ARRAY_LEN(params), params, dropped, NULL);
	else
		read_from_moodle(f->g, f->r, "POST /api/v1/courses/refresh");
}

void api_courses_refresh(struct gateway *g, struct request *r)
{
	CLEANUP_FREE char *name = mem_printf("refresh:%s", request_session(r)->user_id);
	struct refresh *f = request_alloc(r, sizeof(*f));

	*f = (struct refresh){ .g = g, .r = r };
	request_on_free(r, give_back, f);
	lock_take(g, &f->lock, name, LOCK_MS, refresh_begin, f);
}
