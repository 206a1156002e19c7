/*
 * api_courses.c - the course list: Redis, else PostgreSQL, else a job that reads it from Moodle.
 *
 * Redis keeps the whole answer, so that a list which is there costs nobody more than its bytes. Who
 * changes what is in it (a course list read, a course checked) leaves an empty value there for some
 * seconds: the next request asks PostgreSQL, and an answer that was under way meanwhile does not come
 * to stay. It stays until the list gets old; then PostgreSQL is asked again, and the list read anew
 * behind the answer (courses_renew.h).
 */
#include "api_handlers.h"

#include "api_call.h"
#include "api_submit.h"
#include "buf.h"
#include "clock.h"
#include "courses_renew.h"
#include "keys.h"
#include "mem.h"

static char refresh_name[] = "POST /api/v1/courses/refresh";

static void submit(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		   void *what)
{
	struct submission *s = submit_new(r, JOB_COURSES, what);
	char job_id[ID_LEN + 1];

	(void)rows;
	vault_new_id(job_id);
	s->reuse = true;
	submit_add(s, job_id, json_object(), NULL);
	submit_send(g, r, s);
}

/* By a job of the student's; one that has begun in the background becomes it. */
static void read_from_moodle(struct gateway *g, struct request *r, char *what)
{
	const char *params[] = { request_session(r)->user_id,
				 job_priority_name(job_kind_priority(JOB_COURSES)) };

	api_query(g, r, "SELECT pensum.courses_wanted($1, $2)", ARRAY_LEN(params), params, submit,
		  what);
}

/* PostgreSQL has made the list's text, each course with the time of its check; it is not read here.
 */
static void format(const struct pgloop_result *rows, const char *source, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "{\"source\":\"%s\",\"read_at\":\"%s\",\"expires_at\":\"%s\",\"courses\":",
		   source, pgloop_value(rows, 0, 1), pgloop_value(rows, 0, 2));
	buf_add_str(out, pgloop_value(rows, 0, 0));
	buf_add_char(out, '}');
}

/* In Redis the answer stays until the list gets old, or is gone; an old one for a moment. */
static void keep_answer(struct gateway *g, const struct request *r,
			const struct pgloop_result *rows, int64_t fresh_s)
{
	CLEANUP(buf_done) struct buf answer = BUF_INIT;
	int64_t ttl_s = fresh_s > 0 ? MIN(fresh_s, KEY_COURSES_TTL_S) : KEY_COURSES_OLD_S;
	char key[KEY_SIZE];

	if (!redisloop_is_up(g->redis))
		return;
	format(rows, "redis", &answer);
	key_courses(key, request_session(r)->user_id);
	api_redis_refill(g, key, answer.data,
			 MIN(api_int_value(rows, 0, 3), clock_wall_ms() / 1000 + ttl_s));
}

static void got_list(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	CLEANUP(buf_done) struct buf answer = BUF_INIT;
	int64_t fresh_s;

	(void)arg;
	if (pgloop_rows(rows) == 0) {
		read_from_moodle(g, r, NULL);
		return;
	}
	fresh_s = courses_fresh_s(g->settings) - api_int_value(rows, 0, 4);
	keep_answer(g, r, rows, fresh_s);
	if (fresh_s <= 0)
		courses_renew(g, request_session(r)->user_id, request_session(r)->site);
	format(rows, "postgres", &answer);
	reply_json_text(r, 200, answer.data, answer.len);
}

static void got_cached(struct gateway *g, struct request *r, const char *text, size_t len,
		       void *arg)
{
	static const char sql[] =
		"SELECT (SELECT coalesce(jsonb_agg(course || jsonb_build_object('checked_at', "
		"pensum.iso(k.checked_at)) ORDER BY place), '[]') "
		"FROM jsonb_array_elements(l.courses) WITH ORDINALITY c (course, place) "
		"LEFT JOIN pensum.course_checks k ON k.user_id = $1 "
		"AND k.course_id = (course->>'id')::bigint), "
		"pensum.iso(l.read_at), pensum.iso(l.expires_at), pensum.epoch(l.expires_at), "
		"floor(extract(epoch FROM now() - l.read_at))::bigint "
		"FROM pensum.course_lists l WHERE l.user_id = $1 AND l.expires_at > now()";
	const char *params[] = { request_session(r)->user_id };

	(void)arg;
	if (text != NULL)
		reply_json_text(r, 200, text, len);
	else
		api_query_quick(g, r, sql, ARRAY_LEN(params), params, got_list, NULL);
}

void api_courses_get(struct gateway *g, struct request *r)
{
	char key[KEY_SIZE];

	key_courses(key, request_session(r)->user_id);
	api_redis_get_text(g, r, key, got_cached, NULL);
}

/* The list that is there stays until the job has read another: if Moodle is away, it is not. */
void api_courses_refresh(struct gateway *g, struct request *r)
{
	read_from_moodle(g, r, refresh_name);
}
