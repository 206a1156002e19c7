#include "courses.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "courses_service.h"
#include "jobs.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "records.h"
#include "script_courses.h"

void course_list_done(void *course_list)
{
	struct course_list *cl = course_list;

	json_decref(cl->courses);
	cl->courses = NULL;
}

bool course_list_take(struct work *w, const json_t *answer, struct course_list *cl)
{
	struct error err;

	if (records_courses(answer, &cl->courses, &err) < 0) {
		log_warning("course list refused", "err=\"%s\"", err.text);
		return false;
	}
	cl->read_at = clock_wall_ms() / 1000;
	cl->expires_at = cl->read_at + w->settings->cache_courses_s;
	return true;
}

int course_list_store(struct work *w, const struct course_list *cl, struct error *err)
{
	CLEANUP_FREE char *text = json_dumps(cl->courses, JSON_COMPACT);
	char read_at[24], expires_at[24];
	const char *params[] = { w->user_id, text, read_at, expires_at };

	snprintf(read_at, sizeof(read_at), "%lld", (long long)cl->read_at);
	snprintf(expires_at, sizeof(expires_at), "%lld", (long long)cl->expires_at);
	return pg_exec(w->pg,
		       "INSERT INTO pensum.course_lists (user_id, courses, read_at, expires_at) "
		       "VALUES ($1, $2::jsonb, to_timestamp($3::bigint), to_timestamp($4::bigint)) "
		       "ON CONFLICT (user_id) DO UPDATE SET courses = excluded.courses, "
		       "read_at = excluded.read_at, expires_at = excluded.expires_at",
		       4, params, NULL, err);
}

void course_list_changed(struct work *w)
{
	char key[KEY_SIZE];

	key_courses(key, w->user_id);
	redis_call(w->redis, 1000, NULL, NULL, "SET", key, "", "EX", KEY_CHANGED_S, NULL);
}

static int commit(struct work *w, void *arg, struct error *err)
{
	return course_list_store(w, arg, err);
}

static void after(struct work *w, void *arg)
{
	(void)arg;
	course_list_changed(w);
}

/* The road without a browser; SERVICE_NONE: the other one. */
static enum service_end read_by_service(struct work *w, struct service *s, struct course_list *cl)
{
	enum service_end end = service_open(w, s);
	json_t *answer;

	if (end != SERVICE_OK)
		return end;
	work_progress(w, "reading courses", 0, 0, "");
	end = courses_by_service(w, s, &answer);
	if (end != SERVICE_OK)
		return end;
	end = course_list_take(w, answer, cl) ? SERVICE_OK : SERVICE_NONE;
	json_decref(answer);
	return end;
}

static int read_by_browser(struct work *w, struct moodle *m, struct course_list *cl)
{
	json_t *answer;
	int e = 0;

	if (service_allow_browser(w) < 0 || moodle_open_signed_in(w, POOL_INTERACTIVE, m) < 0)
		return -1;
	work_progress(w, "reading courses", 0, 0, "");
	if (moodle_run(w, m, script_courses, json_object(), false, &answer) < 0)
		return -1;
	if (!course_list_take(w, answer, cl))
		e = work_fail(w, "not_understood", NULL);
	json_decref(answer);
	return e;
}

int job_courses(struct work *w)
{
	CLEANUP(service_close) struct service s = SERVICE_INIT;
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	struct course_list *cl = work_alloc(w, sizeof(*cl), course_list_done);
	enum service_end end = read_by_service(w, &s, cl);

	if (end == SERVICE_FAILED || (end == SERVICE_NONE && read_by_browser(w, &m, cl) < 0))
		return -1;
	work_on_commit(w, commit, after, cl);
	w->result = json_pack("{s:i}", "count", (int)json_array_size(cl->courses));
	service_tell_cost(w, &s, m.requests, m.bytes);
	return 0;
}
