/*
 * api_metrics.c - GET /metrics: all daemons in one scrape, as Prometheus reads it.
 *
 *	PostgreSQL	pensum.metrics() and the workers' own counters	 -> jobs_*, job_*
 *	Redis		INFO memory					 -> redis_*
 *	browser-pool	its status over its socket			 -> bp_*
 *	this process	traffic.h					 -> http_*, ws_*
 *
 * The three are asked at the same time, each with its own deadline; who does not answer is "0 up",
 * and only its series are missing. An answer is given again for CACHE_MS, so that many scrapers
 * cost what one costs.
 */
#include "api_handlers.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "clock.h"
#include "http_internal.h"
#include "live.h"
#include "mem.h"
#include "metrics_foreign.h"
#include "metrics_text.h"
#include "options.h"
#include "pool_ask.h"
#include "traffic.h"

#define CACHE_MS 1000
#define ASK_MS	 2000

static const struct {
	const char *name, *type, *label, *help;
} families[] = {
	{ "jobs_submitted_total", "counter", NULL, "Jobs that were committed." },
	{ "jobs_started_total", "counter", NULL, "Attempts that workers began." },
	{ "jobs_finished_total", "counter", "outcome", "Jobs that ended, by their final state." },
	{ "jobs_waiting", "gauge", "queue",
	  "Jobs that are queued, retries and later ones included." },
	{ "jobs_parked", "gauge", NULL, "Jobs that wait for their student to sign in again." },
	{ "jobs_running", "gauge", NULL, "Jobs that a worker has claimed." },
	{ "hint_lag_seconds", "gauge", NULL,
	  "How late the bell is: for the longest that a job whose turn it is has not been rung for, "
	  "or has not been taken although slots are free; 0: not. A long queue is not late." },
};

static const struct {
	const char *name, *help;
} histograms[] = {
	{ "job_queue_latency_seconds",
	  "From being due to the start of the attempt that ended the job." },
	{ "job_duration_seconds", "From the start of the attempt that ended the job to that end." },
};

struct scrape {
	struct gateway *g;
	struct request *r;
	struct buf jobs, redis, pool; /* their parts, as they come */
	struct foreign workers;
	size_t waiting;
};

static struct {
	struct buf text;
	int64_t made_at_ms; /* 0: never */
} last = { .text = BUF_INIT };

static void scrape_done(void *arg)
{
	struct scrape *s = arg;

	buf_done(&s->jobs);
	buf_done(&s->redis);
	buf_done(&s->pool);
	foreign_done(&s->workers);
}

static void reply_last(struct request *r)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		abort();
	evbuffer_add(body, last.text.data, last.text.len);
	reply_buffer(r, 200, METRICS_CONTENT_TYPE, body);
}

static void write_up(struct buf *out, const char *name, const char *help, bool is_up)
{
	metrics_family(out, name, "gauge", help);
	metrics_sample(out, name, is_up, NULL);
}

static void write_process(const struct gateway *g, struct buf *out)
{
	metrics_family(out, "pensum_build_info", "gauge", "The gateway's version; always 1.");
	metrics_sample(out, "pensum_build_info", 1, "version", pensum_version, NULL);
	metrics_family(out, "gateway_uptime_seconds", "gauge", "Since this gateway started.");
	metrics_sample(out, "gateway_uptime_seconds",
		       (double)((clock_now_ms() - g->started_ms) / 1000), NULL);
	traffic_write(g->traffic, out, live_count(g->live));
}

static void part_came(struct scrape *s)
{
	if (--s->waiting > 0)
		return;
	buf_clear(&last.text);
	write_up(&last.text, "postgres_up", "Whether PostgreSQL answered this scrape.",
		 s->jobs.len > 0);
	write_up(&last.text, "postgres_refuses",
		 "Whether PostgreSQL has refused a write lately: it is read-only, or has no room.",
		 pgloop_refusal(s->g->pg) != NULL);
	buf_add(&last.text, s->jobs.data, s->jobs.len);
	foreign_write(&s->workers, &last.text);
	write_up(&last.text, "redis_up", "Whether Redis answered this scrape.", s->redis.len > 0);
	write_up(&last.text, "redis_refuses",
		 "Whether Redis has refused us lately: it is full, a replica, cannot save, busy, or we may not.",
		 redisloop_refusal(s->g->redis) != NULL);
	buf_add(&last.text, s->redis.data, s->redis.len);
	write_up(&last.text, "bp_up", "Whether browser-pool answered this scrape.",
		 s->pool.len > 0);
	buf_add(&last.text, s->pool.data, s->pool.len);
	write_process(s->g, &last.text);
	last.made_at_ms = clock_now_ms();
	reply_last(s->r);
}

/* ---- PostgreSQL ---- */

static double number_of(const struct pgloop_result *rows, size_t row)
{
	return strtod(pgloop_value(rows, row, 2), NULL);
}

static bool is_named(const struct pgloop_result *rows, size_t row, const char *name,
		     const char *suffix)
{
	const char *is = pgloop_value(rows, row, 0);
	size_t len = strlen(name);

	return strncmp(is, name, len) == 0 && strcmp(is + len, suffix) == 0;
}

static void write_histogram(struct buf *out, const struct pgloop_result *rows, const char *name)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };

	for (size_t k = 0; k < ARRAY_LEN(suffixes); k++)
		for (size_t i = 0; i < pgloop_rows(rows); i++)
			if (is_named(rows, i, name, suffixes[k]))
				metrics_sample(out, pgloop_value(rows, i, 0), number_of(rows, i),
					       "le", pgloop_value(rows, i, 1), NULL);
}

static void write_jobs(struct buf *out, const struct pgloop_result *rows)
{
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		metrics_family(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < pgloop_rows(rows); i++)
			if (is_named(rows, i, families[f].name, ""))
				metrics_sample(out, families[f].name, number_of(rows, i),
					       families[f].label ? families[f].label : "is",
					       families[f].label ? pgloop_value(rows, i, 1) : "",
					       NULL);
	}
	for (size_t h = 0; h < ARRAY_LEN(histograms); h++) {
		metrics_family(out, histograms[h].name, "histogram", histograms[h].help);
		write_histogram(out, rows, histograms[h].name);
	}
}

/* The gateways' own part of a family that workers count too. */
static void add_reclaimed(struct foreign *workers, const struct pgloop_result *rows)
{
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		if (is_named(rows, i, "job_reclaimed_total", "")) {
			CLEANUP_FREE char *series = mem_printf("job_reclaimed_total{reason=\"%s\"}",
							       pgloop_value(rows, i, 1));

			foreign_add(workers, series, number_of(rows, i), "gateway");
		}
}

static void got_jobs(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct scrape *s = arg;

	(void)err;
	if (rows != NULL) {
		write_jobs(&s->jobs, rows);
		add_reclaimed(&s->workers, rows);
	}
	part_came(s);
}

static void got_workers(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct scrape *s = arg;

	(void)err;
	for (size_t i = 0; rows != NULL && i < pgloop_rows(rows); i++) {
		const char *name = pgloop_value(rows, i, 0);
		json_t *counters = api_json_value(rows, i, 3);

		foreign_add(&s->workers, "worker_slots", strtod(pgloop_value(rows, i, 1), NULL),
			    name);
		foreign_add(&s->workers, "worker_silent_seconds",
			    strtod(pgloop_value(rows, i, 2), NULL), name);
		foreign_add_all(&s->workers, counters, name);
		json_decref(counters);
	}
	part_came(s);
}

/* Not api_query(): a database that is away is an answer here. */
static void ask_postgres(struct scrape *s)
{
	struct pgloop *pg = s->g->pg;
	char per_user[24];
	const char *params[] = { per_user };

	if (!pgloop_is_up(pg))
		return;
	snprintf(per_user, sizeof(per_user), "%lld",
		 (long long)s->g->settings->jobs_per_user_running);
	if (pgloop_query(pg, ASK_MS, "SELECT name, label, value FROM pensum.metrics($1::integer)",
			 ARRAY_LEN(params), params, got_jobs, s, NULL) == 0)
		s->waiting++;
	if (pgloop_query(pg, ASK_MS,
			 "SELECT name, slots, greatest(extract(epoch FROM now() - seen_at), 0), "
			 "to_jsonb(w)->'counters' FROM pensum.workers w ORDER BY name LIMIT 1000",
			 0, NULL, got_workers, s, NULL) == 0)
		s->waiting++;
}

/* ---- Redis ---- */

static void got_info(const struct redis_reply *reply, void *arg)
{
	static const struct {
		const char *field, *name, *help;
	} wanted[] = {
		{ "used_memory", "redis_used_bytes", "Memory that Redis has allocated." },
		{ "used_memory_peak", "redis_peak_bytes", "The most that it ever was." },
		{ "maxmemory", "redis_max_bytes", "Redis's limit; 0: none." },
	};
	const char *info = reply == NULL ? NULL : redis_text(reply, NULL);
	struct scrape *s = arg;

	for (size_t i = 0; info != NULL && i < ARRAY_LEN(wanted); i++) {
		CLEANUP_FREE char *line = mem_printf("\n%s:", wanted[i].field);
		const char *at = strstr(info, line);

		metrics_family(&s->redis, wanted[i].name, "gauge", wanted[i].help);
		metrics_sample(&s->redis, wanted[i].name,
			       at == NULL ? 0 : strtod(at + strlen(line), NULL), NULL);
	}
	part_came(s);
}

static void ask_redis(struct scrape *s)
{
	static const char *const argv[] = { "INFO", "memory" };

	if (redisloop_command(s->g->redis, 0, ARRAY_LEN(argv), argv, got_info, s, NULL) == 0)
		s->waiting++;
}

/* ---- browser-pool ---- */

static void got_pool(json_t *status, const char *why, void *arg)
{
	CLEANUP(foreign_done) struct foreign all = { 0 };
	struct scrape *s = arg;

	(void)why;
	foreign_add_all(&all, json_object_get(status, "metrics"), NULL);
	foreign_write(&all, &s->pool);
	part_came(s);
}

void api_metrics(struct gateway *g, struct request *r)
{
	struct scrape *s;

	if (last.made_at_ms != 0 && clock_now_ms() - last.made_at_ms < CACHE_MS) {
		reply_last(r);
		return;
	}
	s = request_alloc(r, sizeof(*s));
	*s = (struct scrape){
		.g = g, .r = r, .jobs = BUF_INIT, .redis = BUF_INIT, .pool = BUF_INIT, .waiting = 1
	};
	request_on_free(r, scrape_done, s);
	ask_postgres(s);
	ask_redis(s);
	if (pool_ask(g, got_pool, s, NULL) == 0)
		s->waiting++;
	part_came(s);
}
