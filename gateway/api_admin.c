/*
 * api_admin.c - what operators look at, on their own listener.
 *
 *	GET /admin/pool		browser-pool's own status
 *	GET /admin/queues	the record's counts beside the streams' lengths: they belong together
 *	GET /admin/redis	keys by kind, and Redis's memory
 */
#include "api_handlers.h"

#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "keys.h"
#include "mem.h"
#include "pool_ask.h"

#define SCAN_COUNT "1000"

struct report {
	struct gateway *g;
	struct request *r;
	json_t *answer; /* built up by the steps */
	json_t *part;	/* of answer, borrowed: what the running step fills */
	size_t waiting; /* answers that will still come, and 1 while they are asked */
	char scan_cursor[24];
};

static void report_end(struct report *p)
{
	reply_json(p->r, 200, p->answer);
}

/* ---- queues ---- */

struct stream {
	struct report *p;
	char key[KEY_SIZE];
};

static void stream_done(struct report *p)
{
	if (--p->waiting == 0)
		report_end(p);
}

static void got_length(const struct redis_reply *reply, void *arg)
{
	struct stream *s = arg;
	bool is_known = reply != NULL && redis_error_text(reply) == NULL;

	json_object_set_new(s->p->part, s->key,
			    is_known ? json_integer(redis_integer(reply)) : json_null());
	stream_done(s->p);
}

static void ask_length(struct report *p, enum job_queue queue, enum job_priority priority)
{
	struct stream *s = request_alloc(p->r, sizeof(*s));
	const char *argv[] = { "XLEN", s->key };

	s->p = p;
	key_job_stream(s->key, queue, priority);
	if (redisloop_command(p->g->redis, 0, ARRAY_LEN(argv), argv, got_length, s, NULL) == 0)
		p->waiting++;
	else
		json_object_set_new(p->part, s->key, json_null());
}

static void got_counts(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		       void *arg)
{
	struct report *p = arg;

	(void)g;
	(void)r;
	p->answer = api_json_value(rows, 0, 0);
	p->part = json_object();
	json_object_set_new(p->answer, "streams", p->part);
	p->waiting = 1;
	for (int queue = 0; queue < JOB_QUEUE_COUNT; queue++)
		for (int priority = 0; priority < JOB_PRIORITY_COUNT; priority++)
			ask_length(p, (enum job_queue)queue, (enum job_priority)priority);
	stream_done(p);
}

void api_admin_queues(struct gateway *g, struct request *r)
{
	struct report *p = request_alloc(r, sizeof(*p));

	*p = (struct report){ .g = g, .r = r };
	api_query(
		g, r,
		"SELECT jsonb_build_object("
		"'jobs', (SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') FROM ("
		"SELECT queue, priority, state, count(*), "
		"extract(epoch FROM now() - min(created_at))::bigint AS oldest_s "
		"FROM pensum.jobs WHERE finished_at IS NULL OR state = 'dead' "
		"GROUP BY queue, priority, state ORDER BY queue, priority, state) c), "
		"'workers', (SELECT coalesce(jsonb_agg(to_jsonb(w)), '[]') FROM ("
		"SELECT name, slots, (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'running' "
		"AND starts_with(j.worker, w.name || ':')) AS running, "
		"extract(epoch FROM now() - seen_at)::bigint AS silent_s "
		"FROM pensum.workers w ORDER BY name LIMIT 1000) w))",
		0, NULL, got_counts, p);
}

/* ---- redis ---- */

static void redis_away(struct report *p)
{
	json_decref(p->answer);
	reply_header(p->r, "Retry-After", "5");
	reply_problem(p->r, 503, "redis_away", "Redis cannot be reached.");
}

static bool is_lost(const struct redis_reply *reply)
{
	return reply == NULL || redis_error_text(reply) != NULL;
}

static void ask_redis(struct report *p, size_t argc, const char *const *argv, redisloop_fn *fn)
{
	if (redisloop_command(p->g->redis, 0, argc, argv, fn, p, NULL) < 0)
		redis_away(p);
}

/* "pensum:<kind>:…" or "pensum:<kind>"; all other keys are somebody else's. */
static void count_key(json_t *kinds, const char *key)
{
	char kind[32] = "other";
	json_t *count;

	if (strncmp(key, "pensum:", 7) == 0)
		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(key + 7, ":"), key + 7);
	count = json_object_get(kinds, kind);
	json_object_set_new(kinds, kind, json_integer(json_integer_value(count) + 1));
}

static json_int_t keys_of(const struct report *p, const char *kind)
{
	return json_integer_value(json_object_get(p->part, kind));
}

/* The kinds that operators ask for, by their names. */
static void sum_up(struct report *p)
{
	json_object_set_new(p->answer, "active_sessions", json_integer(keys_of(p, "session")));
	json_object_set_new(p->answer, "locks", json_integer(keys_of(p, "lock")));
	json_object_set_new(p->answer, "cached_items",
			    json_integer(keys_of(p, "courses") + keys_of(p, "moodle")));
	report_end(p);
}

static void got_keys(const struct redis_reply *reply, void *arg)
{
	struct report *p = arg;
	const char *argv[] = { "SCAN", p->scan_cursor, "COUNT", SCAN_COUNT };
	const char *cursor = is_lost(reply) ? NULL : redis_text(redis_at(reply, 0), NULL);
	const struct redis_reply *keys;

	if (cursor == NULL) {
		redis_away(p);
		return;
	}
	keys = redis_at(reply, 1);
	for (size_t i = 0; i < redis_count(keys); i++)
		if (redis_text(redis_at(keys, i), NULL) != NULL)
			count_key(p->part, redis_text(redis_at(keys, i), NULL));
	snprintf(p->scan_cursor, sizeof(p->scan_cursor), "%s", cursor);
	if (strcmp(cursor, "0") == 0)
		sum_up(p);
	else
		ask_redis(p, ARRAY_LEN(argv), argv, got_keys);
}

/* INFO is lines of "name:value". */
static json_t *info_number(const char *info, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return json_integer(strtoll(line + len + 1, NULL, 10));
	}
	return json_null();
}

static void got_info(const struct redis_reply *reply, void *arg)
{
	static const char *const names[] = { "used_memory", "used_memory_peak", "used_memory_rss",
					     "maxmemory" };
	static const char *const scan[] = { "SCAN", "0", "COUNT", SCAN_COUNT };
	const char *info = is_lost(reply) ? NULL : redis_text(reply, NULL);
	struct report *p = arg;

	if (info == NULL) {
		redis_away(p);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(p->answer, names[i], info_number(info, names[i]));
	p->part = json_object();
	json_object_set_new(p->answer, "keys", p->part);
	ask_redis(p, ARRAY_LEN(scan), scan, got_keys);
}

void api_admin_redis(struct gateway *g, struct request *r)
{
	static const char *const info[] = { "INFO", "memory" };
	struct report *p = request_alloc(r, sizeof(*p));

	*p = (struct report){ .g = g, .r = r, .answer = json_object() };
	ask_redis(p, ARRAY_LEN(info), info, got_info);
}

/* ---- browser-pool ---- */

static void pool_away(struct request *r, const char *why)
{
	reply_header(r, "Retry-After", "5");
	reply_problem(r, 503, "pool_away", "browser-pool cannot be asked: %s.", why);
}

static void got_pool(json_t *status, const char *why, void *arg)
{
	if (status == NULL)
		pool_away(arg, why);
	else
		reply_json(arg, 200, json_incref(status));
}

void api_admin_pool(struct gateway *g, struct request *r)
{
	struct error err;

	if (pool_ask(g, got_pool, r, &err) < 0)
		pool_away(r, err.text);
}
