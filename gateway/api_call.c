#include "api_call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admission.h"
#include "http_internal.h"
#include "log.h"
#include "mem.h"

#define REDIS_VALUE_MAX (256 * 1024) /* a refilled value; PostgreSQL keeps larger ones alone */
#define REDIS_ARGS_MAX	8

/* One question in flight; lives in the request's arena. */
struct call {
	struct gateway *g;
	struct request *r;
	api_rows_fn *rows_fn;
	api_cached_fn *cached_fn;
	api_text_fn *text_fn;
	void *arg;
};

void api_reply_away(struct request *r)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d",
		 admission_spread_s(pgloop_retry_ms(r->g->pg) / 1000 + 1));
	reply_header(r, "Retry-After", seconds);
	reply_problem(r, 503, "database_away",
		      "The database does not answer now. Try again soon.");
}

void api_reply_unknown(struct request *r)
{
	reply_problem(r, 404, "not_found", "There is nothing here, or it is not yours.");
}

void api_reply_later(struct request *r, const char *code, int64_t wait_ms, const char *detail)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)MAX(1, (wait_ms + 999) / 1000));
	reply_header(r, "Retry-After", seconds);
	reply_problem(r, 429, code, "%s", detail);
}

void api_reply_failed(struct request *r, const struct error *err)
{
	if (err->code != -EPROTO) { /* main.c says once that the database is away, or refuses */
		api_reply_away(r);
		return;
	}
	log_error("query refused", "why=\"%s\"", err->text);
	reply_problem(r, 500, "internal", "Something went wrong inside Pensum.");
}

static void got_rows(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct call *c = arg;

	if (rows != NULL)
		c->rows_fn(c->g, c->r, rows, c->arg);
	else
		api_reply_failed(c->r, err);
}

typedef int query_fn(struct pgloop *p, int timeout_ms, const char *sql, size_t param_count,
		     const char *const *params, pgloop_fn *fn, void *arg, struct error *err);

static void query(query_fn *send, struct gateway *g, struct request *r, const char *sql,
		  size_t param_count, const char *const *params, api_rows_fn *fn, void *arg)
{
	int limit_ms = pgloop_is_up(g->pg) ? API_QUERY_MS : API_QUERY_AWAY_MS;
	struct call *c = request_alloc(r, sizeof(*c));

	*c = (struct call){ .g = g, .r = r, .rows_fn = fn, .arg = arg };
	if (send(g->pg, limit_ms, sql, param_count, params, got_rows, c, NULL) < 0)
		api_reply_away(r);
}

void api_query(struct gateway *g, struct request *r, const char *sql, size_t param_count,
	       const char *const *params, api_rows_fn *fn, void *arg)
{
	query(pgloop_query, g, r, sql, param_count, params, fn, arg);
}

void api_query_quick(struct gateway *g, struct request *r, const char *sql, size_t param_count,
		     const char *const *params, api_rows_fn *fn, void *arg)
{
	query(pgloop_query_quick, g, r, sql, param_count, params, fn, arg);
}

json_t *api_json_value(const struct pgloop_result *rows, size_t row, size_t column)
{
	const char *text = pgloop_value(rows, row, column);

	return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

int64_t api_int_value(const struct pgloop_result *rows, size_t row, size_t column)
{
	const char *text = pgloop_value(rows, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

static void got_reply(const struct redis_reply *reply, void *arg)
{
	struct call *c = arg;
	size_t len = 0;
	const char *text = reply ? redis_text(reply, &len) : NULL;
	json_t *json = text ? json_loadb(text, len, 0, NULL) : NULL;

	c->cached_fn(c->g, c->r, json, c->arg);
	json_decref(json);
}

static void get_json(struct gateway *g, struct request *r, size_t argc, const char *const *argv,
		     api_cached_fn *fn, void *arg)
{
	struct call *c = request_alloc(r, sizeof(*c));

	*c = (struct call){ .g = g, .r = r, .cached_fn = fn, .arg = arg };
	if (!redisloop_is_up(g->redis) ||
	    redisloop_command(g->redis, 0, argc, argv, got_reply, c, NULL) < 0)
		fn(g, r, NULL, arg);
}

void api_redis_get_json(struct gateway *g, struct request *r, const char *key, api_cached_fn *fn,
			void *arg)
{
	const char *argv[] = { "GET", key };

	get_json(g, r, ARRAY_LEN(argv), argv, fn, arg);
}

void api_redis_use_json(struct gateway *g, struct request *r, const char *key, int ttl_s,
			api_cached_fn *fn, void *arg)
{
	char ttl[16];
	const char *argv[] = { "GETEX", key, "EX", ttl };

	snprintf(ttl, sizeof(ttl), "%d", ttl_s);
	get_json(g, r, ARRAY_LEN(argv), argv, fn, arg);
}

static void got_text(const struct redis_reply *reply, void *arg)
{
	struct call *c = arg;
	size_t len = 0;
	const char *text = reply ? redis_text(reply, &len) : NULL;

	c->text_fn(c->g, c->r, len > 0 ? text : NULL, len, c->arg);
}

static void get_text(struct gateway *g, struct request *r, size_t argc, const char *const *argv,
		     api_text_fn *fn, void *arg)
{
	struct call *c = request_alloc(r, sizeof(*c));

	*c = (struct call){ .g = g, .r = r, .text_fn = fn, .arg = arg };
	if (!redisloop_is_up(g->redis) ||
	    redisloop_command(g->redis, 0, argc, argv, got_text, c, NULL) < 0)
		fn(g, r, NULL, 0, arg);
}

void api_redis_get_text(struct gateway *g, struct request *r, const char *key, api_text_fn *fn,
			void *arg)
{
	const char *argv[] = { "GET", key };

	get_text(g, r, ARRAY_LEN(argv), argv, fn, arg);
}

void api_redis_settle(struct gateway *g, struct request *r, api_text_fn *fn, void *arg)
{
	const char *argv[] = { "PING" };

	get_text(g, r, ARRAY_LEN(argv), argv, fn, arg);
}

void api_redis_send(struct gateway *g, ...)
{
	const char *argv[REDIS_ARGS_MAX];
	const char *word;
	size_t argc = 0;
	va_list ap;

	va_start(ap, g);
	while (argc < REDIS_ARGS_MAX && (word = va_arg(ap, const char *)) != NULL)
		argv[argc++] = word;
	va_end(ap);
	if (redisloop_is_up(g->redis))
		redisloop_command(g->redis, 0, argc, argv, NULL, NULL, NULL);
}

void api_redis_refill(struct gateway *g, const char *key, const char *text, int64_t expires_at)
{
	char at_ms[24];

	if (strlen(text) > REDIS_VALUE_MAX)
		return;
	snprintf(at_ms, sizeof(at_ms), "%lld", (long long)expires_at * 1000);
	api_redis_send(g, "SET", key, text, "NX", "PXAT", at_ms, NULL);
}

const char *api_time(int64_t epoch_s, char out[API_TIME_SIZE])
{
	time_t t = (time_t)epoch_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, API_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}
