/*
 * api_call.h - how a handler asks PostgreSQL and Redis, with the answers that are the same for all.
 *
 * A handler's next step is called with what it asked for, or not at all, because the request has
 * been answered already (503 database_away with Retry-After, 500 internal). Redis is only ever a
 * shorter way: when it is away or wrong, the next step gets NULL and goes on with PostgreSQL.
 */
#pragma once

#include <jansson.h>

#include "gateway.h"
#include "http.h"

#define API_QUERY_MS	  5000
#define API_QUERY_AWAY_MS 1000 /* while there is no connection: bridges a restart */

/* rows is valid during the call. */
typedef void api_rows_fn(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			 void *arg);
/* sql must be a literal; params are copied. */
void api_query(struct gateway *g, struct request *r, const char *sql, size_t param_count,
	       const char *const *params, api_rows_fn *fn, void *arg);
/* The same for what pgloop_query_quick() is for. */
void api_query_quick(struct gateway *g, struct request *r, const char *sql, size_t param_count,
		     const char *const *params, api_rows_fn *fn, void *arg);

/* A value that PostgreSQL made as JSON. NULL for SQL NULL. Yours to json_decref(). */
json_t *api_json_value(const struct pgloop_result *rows, size_t row, size_t column);
/* A whole number; 0 for SQL NULL. */
int64_t api_int_value(const struct pgloop_result *rows, size_t row, size_t column);

/* json is the value parsed (NULL: absent, not JSON, or Redis is away), valid during the call. */
typedef void api_cached_fn(struct gateway *g, struct request *r, json_t *json, void *arg);
void api_redis_get_json(struct gateway *g, struct request *r, const char *key, api_cached_fn *fn,
			void *arg);

/* The same, and it stays for ttl_s from now on. */
void api_redis_use_json(struct gateway *g, struct request *r, const char *key, int ttl_s,
			api_cached_fn *fn, void *arg);

/* The value as it is; NULL: absent or empty, or Redis is away. */
typedef void api_text_fn(struct gateway *g, struct request *r, const char *text, size_t len,
			 void *arg);
void api_redis_get_text(struct gateway *g, struct request *r, const char *key, api_text_fn *fn,
			void *arg);

/* Without waiting for the answer: api_redis_send(g, "DEL", key, NULL). */
void api_redis_send(struct gateway *g, ...) __attribute__((sentinel));
/* Goes on when all that was sent has been done, for an answer that promises it. */
void api_redis_settle(struct gateway *g, struct request *r, api_text_fn *fn, void *arg);
/* Puts it back for as long as PostgreSQL keeps it, unless a newer value is there. */
void api_redis_refill(struct gateway *g, const char *key, const char *text, int64_t expires_at);

/* The problems that several handlers know. */
void api_reply_away(struct request *r);				    /* 503 database_away */
void api_reply_failed(struct request *r, const struct error *err); /* of pgloop: the same, or 500 */
void api_reply_unknown(struct request *r);			    /* 404 not_found */
void api_reply_later(struct request *r, const char *code, int64_t wait_ms,
		     const char *detail);			    /* 429 with Retry-After */

/* "2026-02-01T08:00:00Z" */
#define API_TIME_SIZE 24
const char *api_time(int64_t epoch_s, char out[API_TIME_SIZE]);
