/*
 * api_jobs.c - jobs as their owner sees them: PostgreSQL's row with the newest event over it.
 *
 *	rows -> for each that has not ended: Redis pensum:job:<id> -> the newer of both
 *	     -> for each that is queued: its place in the queue -> reply
 *
 * That a job has ended stands in PostgreSQL alone. When Redis tells of an end that was not yet in
 * the rows, they are read once more, so an answer never goes back behind what was shown already.
 */
#include "api_handlers.h"

#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "api_publish.h"
#include "api_submit.h"
#include "keys.h"
#include "mem.h"
#include "positions.h"

#define LIST_MAX "50"

struct view {
	struct gateway *g;
	struct request *r;
	const char *only; /* a job's id; NULL: the newest LIST_MAX */
	void (*done_fn)(struct view *v);
	json_t *jobs;
	size_t waiting; /* for so many answers of Redis, and 1 while they are asked */
	bool is_stale, is_second, is_placed;
};

struct lookup {
	struct view *v;
	json_t *job; /* borrowed from v->jobs */
};

static void view_read(struct view *v);

static const char *text_of(const json_t *job, const char *name)
{
	const char *text = json_string_value(json_object_get(job, name));

	return text ? text : "";
}

static struct job_version version_of(const json_t *job)
{
	const json_t *version = json_object_get(job, "version");

	return (struct job_version){
		.attempt = (int)json_integer_value(json_array_get(version, 0)),
		.n = (int)json_integer_value(json_array_get(version, 1)),
	};
}

static bool has_ended(const json_t *job)
{
	int state = job_state_parse(text_of(job, "state"));

	return state < 0 || job_state_is_terminal((enum job_state)state);
}

static void overlay(struct lookup *l, const struct job_event *ev)
{
	json_t *newer;

	if (job_version_compare(ev->version, version_of(l->job)) < 0 ||
	    strcmp(ev->job, text_of(l->job, "id")) != 0)
		return;
	if (ev->state != JOB_QUEUED && ev->state != JOB_RUNNING &&
	    strcmp(job_state_name(ev->state), text_of(l->job, "state")) != 0) {
		l->v->is_stale = true;
		return;
	}
	newer = job_event_to_json(ev);
	json_object_del(newer, "job");
	json_object_update(l->job, newer);
	json_decref(newer);
}

static bool is_queued(const json_t *job)
{
	return strcmp(text_of(job, "state"), "queued") == 0;
}

static bool any_queued(const json_t *jobs)
{
	const json_t *job;
	size_t i;

	json_array_foreach((json_t *)jobs, i, job)
		if (is_queued(job))
			return true;
	return false;
}

static void view_step_done(struct view *v);

static void got_places(void *arg)
{
	struct view *v = arg;
	json_t *job;
	size_t i;

	json_array_foreach(v->jobs, i, job) {
		struct position p = { .eta_s = -1 };
		bool known = positions_find(v->g->positions, text_of(job, "id"), &p);

		if (!is_queued(job))
			continue;
		json_object_set_new(job, "position", known ? json_integer(p.place) : json_null());
		json_object_set_new(job, "eta_s",
				    p.eta_s >= 0 ? json_integer(p.eta_s) : json_null());
	}
	view_step_done(v);
}

static void view_step_done(struct view *v)
{
	json_t *jobs = v->jobs;

	if (--v->waiting > 0)
		return;
	if (!v->is_placed && (!v->is_stale || v->is_second) && any_queued(jobs)) {
		v->is_placed = true;
		v->waiting = 1;
		positions_ask(v->g->positions, got_places, v);
		return;
	}
	if (v->is_stale && !v->is_second) {
		v->is_stale = false;
		v->is_second = true;
		view_read(v);
	} else {
		v->done_fn(v); /* and v is gone with its request */
	}
	json_decref(jobs);
}

static void got_hash(const struct redis_reply *reply, void *arg)
{
	struct lookup *l = arg;
	struct job_event ev;
	bool is_bad = false;

	job_event_init(&ev);
	for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
		const char *name = redis_text(redis_at(reply, i), NULL);
		size_t len = 0;
		const char *value = redis_text(redis_at(reply, i + 1), &len);

		if (name == NULL || value == NULL ||
		    job_event_set_field(&ev, name, value, len) < 0)
			is_bad = true;
	}
	if (!is_bad && job_event_check(&ev) == 0)
		overlay(l, &ev);
	view_step_done(l->v);
}

static void look_up(struct view *v, json_t *job)
{
	struct lookup *l = request_alloc(v->r, sizeof(*l));
	char key[KEY_SIZE];
	const char *argv[] = { "HGETALL", key };

	*l = (struct lookup){ .v = v, .job = job };
	key_job(key, text_of(job, "id"));
	if (redisloop_command(v->g->redis, 0, ARRAY_LEN(argv), argv, got_hash, l, NULL) == 0)
		v->waiting++;
}

static void got_jobs(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	struct view *v = arg;
	json_t *job;
	size_t i;

	(void)r;
	v->jobs = api_json_value(rows, 0, 0);
	v->waiting = 1;
	json_array_foreach(v->jobs, i, job) {
		job_json_complete(job);
		if (!has_ended(job) && redisloop_is_up(g->redis))
			look_up(v, job);
	}
	view_step_done(v);
}

static void view_read(struct view *v)
{
	const struct session *s = request_session(v->r);
	const char *params[] = { s->user_id, s->token_hash, v->only, v->only ? "1" : LIST_MAX };

	api_query_quick(v->g, v->r,
			"SELECT coalesce(jsonb_agg(pensum.job_json(j) ORDER BY j.created_at DESC, "
			"j.id DESC), '[]') FROM pensum.jobs_visible($1, $2, $3, $4::integer) j",
			ARRAY_LEN(params), params, got_jobs, v);
}

static struct view *view_new(struct gateway *g, struct request *r, const char *only,
			     void (*done_fn)(struct view *v))
{
	struct view *v = request_alloc(r, sizeof(*v));

	*v = (struct view){ .g = g, .r = r, .only = only, .done_fn = done_fn };
	return v;
}

/* The id in the path, if this session may ask for it. NULL: answered. */
static const char *asked_id(struct request *r)
{
	const struct session *s = request_session(r);
	const char *id = request_id_param(r);

	if (id != NULL && id_is_valid(id) && (s->active || strcmp(id, s->signin_job) == 0))
		return id;
	api_reply_unknown(r);
	return NULL;
}

static void reply_list(struct view *v)
{
	reply_json(v->r, 200, json_pack("{s:O}", "jobs", v->jobs));
}

void api_jobs_get(struct gateway *g, struct request *r)
{
	const struct session *s = request_session(r);

	view_read(view_new(g, r, s->active ? NULL : s->signin_job, reply_list));
}

static void reply_job(struct view *v)
{
	json_t *job = json_array_get(v->jobs, 0);
	struct job_version version = version_of(job);
	json_int_t place = json_integer_value(json_object_get(job, "position"));
	char etag[64];

	if (job == NULL) {
		api_reply_unknown(v->r);
		return;
	}
	if (place > 0)
		snprintf(etag, sizeof(etag), "\"%d.%d.%lld\"", version.attempt, version.n,
			 (long long)place);
	else
		snprintf(etag, sizeof(etag), "\"%d.%d\"", version.attempt, version.n);
	reply_header(v->r, "ETag", etag);
	reply_header(v->r, "Cache-Control", "private, no-cache");
	if (request_knows(v->r, etag))
		reply_empty(v->r, 304);
	else
		reply_json(v->r, 200, json_incref(job));
}

void api_job_get(struct gateway *g, struct request *r)
{
	const char *id = asked_id(r);

	if (id != NULL)
		view_read(view_new(g, r, id, reply_job));
}

static void publish_cancelled(struct gateway *g, const json_t *job)
{
	struct job_event ev = { .state = JOB_CANCELLED, .version = version_of(job) };

	snprintf(ev.job, sizeof(ev.job), "%s", text_of(job, "id"));
	snprintf(ev.step, sizeof(ev.step), "%s", text_of(job, "step"));
	snprintf(ev.note, sizeof(ev.note), "%s", text_of(job, "note"));
	publish_event(g, &ev);
}

static void reply_cancelled(struct view *v)
{
	json_t *job = json_array_get(v->jobs, 0);

	if (job != NULL && strcmp(text_of(job, "state"), "cancelled") == 0)
		publish_cancelled(v->g, job);
	if (job != NULL)
		reply_json(v->r, 200, json_incref(job));
	else
		api_reply_unknown(v->r);
}

static void cancelled(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		      void *arg)
{
	(void)arg;
	if (pgloop_rows(rows) == 0)
		api_reply_unknown(r);
	else
		view_read(view_new(g, r, request_id_param(r), reply_cancelled));
}

/* At once what does not run yet; a running job is asked to stop and says so itself. */
void api_job_cancel(struct gateway *g, struct request *r)
{
	const struct session *s = request_session(r);
	const char *params[] = { s->user_id, s->token_hash, asked_id(r) };

	if (params[2] != NULL)
		api_query(g, r,
			  "SELECT pensum.job_cancel(j.id, j.user_id) "
			  "FROM pensum.jobs_visible($1, $2, $3, 1) j",
			  ARRAY_LEN(params), params, cancelled, NULL);
}
