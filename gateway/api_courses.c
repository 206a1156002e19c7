/*
 * api_courses.c - the course list: Redis, else PostgreSQL, else a job that reads it from Moodle.
 * When each course was last checked is always PostgreSQL's word; while it is away, nothing is said of
 * that.
 */
#include "api_handlers.h"

#include <stdio.h>

#include "api_call.h"
#include "api_submit.h"
#include "clock.h"
#include "keys.h"
#include "lock.h"
#include "mem.h"

#define CHECKS_MS 2000
#define LOCK_MS   5000

struct list {
	json_t *cached;	    /* {"courses","read_at","expires_at"} as in Redis */
	const char *source; /* "redis", "postgres" */
};

static void reply_list(struct request *r, struct list *l, const json_t *checks)
{
	json_t *courses = json_object_get(l->cached, "courses"), *course;
	char read_at[API_TIME_SIZE], expires_at[API_TIME_SIZE], id[24];
	size_t i;

	json_array_foreach(courses, i, course) {
		json_t *at;

		snprintf(id, sizeof(id), "%lld",
			 (long long)json_integer_value(json_object_get(course, "id")));
		at = json_object_get(checks, id);
		json_object_set_new(course, "checked_at", at ? json_incref(at) : json_null());
	}
	reply_json(r, 200,
		   json_pack("{s:O, s:s, s:s, s:s}", "courses", courses, "read_at",
			     api_time(json_integer_value(json_object_get(l->cached, "read_at")),
				      read_at),
			     "expires_at",
			     api_time(json_integer_value(json_object_get(l->cached, "expires_at")),
				      expires_at),
			     "source", l->source));
}

static void list_free(void *arg)
{
	struct list *l = arg;

	json_decref(l->cached);
}

struct checks {
	struct request *r;
	struct list *l;
};

static void got_checks(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct checks *c = arg;
	json_t *checks = rows == NULL ? NULL : api_json_value(rows, 0, 0);

	(void)err;
	reply_list(c->r, c->l, checks);
	json_decref(checks);
}

/* Not api_query(): the list is worth something without them, while PostgreSQL is away. */
static void add_checks(struct gateway *g, struct request *r, struct list *l)
{
	const char *params[] = { request_session(r)->user_id };
	struct checks *c = request_alloc(r, sizeof(*c));

	*c = (struct checks){ .r = r, .l = l };
	if (!pgloop_is_up(g->pg) ||
	    pgloop_query(g->pg, CHECKS_MS,
			 "SELECT coalesce(jsonb_object_agg(course_id, pensum.iso(checked_at)), '{}') "
			 "FROM pensum.course_checks WHERE user_id = $1",
			 ARRAY_LEN(params), params, got_checks, c, NULL) < 0)
		reply_list(r, l, NULL);
}

static void read_from_moodle(struct gateway *g, struct request *r, const char *what)
{
	struct submission *s = submit_new(r, JOB_COURSES, what);
	char job_id[ID_LEN + 1];

	vault_new_id(job_id);
	s->reuse = true;
	submit_add(s, job_id, json_object(), NULL);
	submit_send(g, r, s);
}

static void got_list(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	struct list *l = arg;
	char key[KEY_SIZE];

	if (pgloop_rows(rows) == 0) {
		read_from_moodle(g, r, NULL);
		return;
	}
	l->cached = api_json_value(rows, 0, 0);
	l->source = "postgres";
	key_courses(key, request_session(r)->user_id);
	api_redis_refill(g, key, l->cached,
			 json_integer_value(json_object_get(l->cached, "expires_at")));
	add_checks(g, r, l);
}

static void got_cached(struct gateway *g, struct request *r, json_t *json, void *arg)
{
	const char *params[] = { request_session(r)->user_id };
	struct list *l = arg;

	if (json_is_array(json_object_get(json, "courses")) &&
	    json_integer_value(json_object_get(json, "expires_at")) > clock_wall_ms() / 1000) {
		l->cached = json_incref(json);
		l->source = "redis";
		add_checks(g, r, l);
		return;
	}
	api_query(g, r,
		  "SELECT jsonb_build_object('courses', courses, 'read_at', pensum.epoch(read_at), "
		  "'expires_at', pensum.epoch(expires_at)) FROM pensum.course_lists "
		  "WHERE user_id = $1 AND expires_at > now()",
		  ARRAY_LEN(params), params, got_list, l);
}

void api_courses_get(struct gateway *g, struct request *r)
{
	struct list *l = request_alloc(r, sizeof(*l));
	char key[KEY_SIZE];

	request_on_free(r, list_free, l);
	key_courses(key, request_session(r)->user_id);
	api_redis_get_json(g, r, key, got_cached, l);
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
	api_redis_send(g, "DEL", key, NULL);
	read_from_moodle(g, r, "POST /api/v1/courses/refresh");
}

/* Not taken: another request of the same student drops the list at this moment, and both get the one
 * job that PostgreSQL lets in. */
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
