#include "housekeeping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_publish.h"
#include "cleanup.h"
#include "clock.h"
#include "failure.h"
#include "gateway.h"
#include "housekeeping_watch.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "ring.h"

#define RING_EVERY_MS	 2000
#define RING_MORE_MS	 50
#define RING_AGAIN_MS	 "10000"
#define RING_PORTION	 500
#define WATCH_EVERY_MS	 3000
#define PURGE_EVERY_MS	 60000
#define PURGE_PAUSE_S	 "600"
#define SIGNIN_MAX_AGE_S "600"
#define QUERY_MS	 10000

/* What repeats: a chain of callbacks that ends in duty_done(), which plans the next one. */
struct duty {
	struct housekeeping *h;
	const char *name;
	void (*run_fn)(struct duty *d);
	int every_ms;
	struct event *timer;
};

enum duty_kind { DUTY_RING, DUTY_WATCH, DUTY_RELEASE, DUTY_SIGNINS, DUTY_PURGE, DUTY_COUNT };

struct housekeeping {
	struct gateway *g;
	struct duty duties[DUTY_COUNT];
	int in_flight; /* answers that will still come */
	bool is_stopping;

	size_t streams_asked;
	int64_t entries; /* in all job streams; -1: cannot tell */

	struct watch *watch;
	json_t *silent; /* workers whose jobs are being given back; NULL: none */
};

static void plan(struct duty *d, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (d->timer != NULL && !d->h->is_stopping)
		event_add(d->timer, &tv);
}

static void free_if_over(struct housekeeping *h)
{
	if (!h->is_stopping || h->in_flight > 0)
		return;
	watch_free(h->watch);
	json_decref(h->silent);
	free(h);
}

/* False: not asked; tried again at its time. */
static bool duty_query(struct duty *d, const char *sql, size_t count, const char *const *params,
		       pgloop_fn *fn)
{
	struct error err;

	if (pgloop_query(d->h->g->pg, QUERY_MS, sql, count, params, fn, d, &err) == 0) {
		d->h->in_flight++;
		return true;
	}
	log_warning("housekeeping waits", "duty=%s why=\"%s\"", d->name, err.text);
	plan(d, d->every_ms);
	return false;
}

/* The first line of each answer. False: there is nothing more to do with it. */
static bool duty_answered(struct duty *d, const struct pgloop_result *rows, const struct error *err)
{
	d->h->in_flight--;
	if (d->h->is_stopping) {
		free_if_over(d->h);
		return false;
	}
	plan(d, d->every_ms);
	if (rows == NULL && err->code != -ESHUTDOWN)
		log_warning("housekeeping failed", "duty=%s why=\"%s\"", d->name, err->text);
	return rows != NULL;
}

static int int_value(const struct pgloop_result *rows, size_t row, size_t column)
{
	return atoi(pgloop_value(rows, row, column));
}

/* ---- ringing ---- */

static void ring_row(struct gateway *g, const struct pgloop_result *rows, size_t row)
{
	const char *queue = pgloop_value(rows, row, 1), *priority = pgloop_value(rows, row, 2);

	for (int q = 0; q < JOB_QUEUE_COUNT; q++)
		for (int p = 0; p < JOB_PRIORITY_COUNT; p++)
			if (strcmp(job_queue_name((enum job_queue)q), queue) == 0 &&
			    strcmp(job_priority_name((enum job_priority)p), priority) == 0)
				ring_job(g, (enum job_queue)q, (enum job_priority)p,
					 pgloop_value(rows, row, 0), int_value(rows, row, 3));
}

static void rung(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;

	if (!duty_answered(d, rows, err))
		return;
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		ring_row(d->h->g, rows, i);
	if (pgloop_rows(rows) == RING_PORTION)
		plan(d, RING_MORE_MS);
}

/*
 * A job that waits long is rung again at growing intervals only, so that a long queue does not fill
 * its own stream. But when the streams hold fewer entries than there are jobs, some were lost.
 */
static void ring_unheard(struct duty *d)
{
	char entries[24], portion[24];
	const char *params[] = { RING_AGAIN_MS, portion, entries };

	snprintf(entries, sizeof(entries), "%lld", (long long)d->h->entries);
	snprintf(portion, sizeof(portion), "%d", RING_PORTION);
	duty_query(d,
		   "SELECT id, queue, priority, attempt FROM pensum.jobs_to_ring($1::bigint, "
		   "$2::integer, $3::bigint < (SELECT count(*) FROM pensum.jobs "
		   "WHERE state = 'running' OR (state = 'queued' AND run_at <= now())))",
		   ARRAY_LEN(params), params, rung);
}

static void counted(const struct redis_reply *reply, void *arg)
{
	struct duty *d = arg;
	struct housekeeping *h = d->h;

	h->in_flight--;
	h->streams_asked--;
	if (reply == NULL || redis_error_text(reply) != NULL)
		h->entries = -1;
	else if (h->entries >= 0)
		h->entries += redis_integer(reply);
	if (h->is_stopping)
		free_if_over(h);
	else if (h->streams_asked == 0 && h->entries >= 0)
		ring_unheard(d);
	else if (h->streams_asked == 0)
		plan(d, d->every_ms);
}

/* Without a bell there is nothing to ring: workers ask PostgreSQL by themselves then. */
static void run_ring(struct duty *d)
{
	struct housekeeping *h = d->h;
	char key[KEY_SIZE];
	const char *argv[] = { "XLEN", key };

	h->entries = 0;
	for (int q = 0; q < JOB_QUEUE_COUNT; q++) {
		for (int p = 0; p < JOB_PRIORITY_COUNT; p++) {
			key_job_stream(key, (enum job_queue)q, (enum job_priority)p);
			if (redisloop_command(h->g->redis, 0, ARRAY_LEN(argv), argv, counted, d,
					      NULL) < 0) {
				h->entries = -1;
			} else {
				h->in_flight++;
				h->streams_asked++;
			}
		}
	}
	if (h->streams_asked == 0)
		plan(d, d->every_ms);
}

/* ---- dead workers ---- */

static void tell(struct gateway *g, const struct pgloop_result *rows, size_t row,
		 struct job_version version, const char *code)
{
	struct job_event ev = { .version = version };

	snprintf(ev.job, sizeof(ev.job), "%s", pgloop_value(rows, row, 0));
	ev.state = (enum job_state)job_state_parse(pgloop_value(rows, row, 1));
	snprintf(ev.step, sizeof(ev.step), "%s", code);
	snprintf(ev.note, sizeof(ev.note), "%s", failure_find(code)->message);
	publish_event(g, &ev);
	log_warning("job taken back", "job=%s state=%s why=%s", ev.job, job_state_name(ev.state),
		    code);
}

static void released(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;
	struct housekeeping *h = d->h;
	json_t *names = h->silent;

	h->silent = NULL;
	if (duty_answered(d, rows, err)) {
		for (size_t i = 0; i < pgloop_rows(rows); i++) {
			int state = job_state_parse(pgloop_value(rows, i, 1));

			tell(h->g, rows, i,
			     job_version_of_row((enum job_state)state, int_value(rows, i, 2),
						int_value(rows, i, 3)),
			     "worker_lost");
		}
		watch_mark_released(h->watch, names);
	}
	json_decref(names);
}

/* What is queued again then is rung by the ringing duty. */
static void release(struct duty *d, json_t *names)
{
	CLEANUP_FREE char *text = json_dumps(names, JSON_COMPACT);
	const char *params[] = { text, "worker_lost", failure_find("worker_lost")->message };

	log_warning("workers are silent", "names=%s", text);
	if (duty_query(d,
		       "SELECT * FROM pensum.workers_release($1::jsonb, $2, $3)",
		       ARRAY_LEN(params), params, released))
		d->h->silent = json_incref(names);
}

static void looked(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;
	struct housekeeping *h = d->h;
	json_t *silent;

	if (!duty_answered(d, rows, err))
		return;
	watch_begin(h->watch, clock_now_ms());
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		watch_row(h->watch, pgloop_value(rows, i, 0), pgloop_value(rows, i, 1),
			  strtoll(pgloop_value(rows, i, 2), NULL, 10));
	silent = watch_end(h->watch);
	if (json_array_size(silent) > 0 && h->silent == NULL)
		release(&h->duties[DUTY_RELEASE], silent);
	json_decref(silent);
}

/* Whoever runs a job without a row (it was deleted, or its worker died before it was made) is one that
 * never beats. */
static void run_watch(struct duty *d)
{
	duty_query(d,
		   "SELECT name, boot, beat FROM pensum.workers UNION ALL "
		   "SELECT DISTINCT regexp_replace(j.worker, ':[^:]*$', ''), '', 0 "
		   "FROM pensum.jobs j WHERE j.state = 'running' AND j.worker IS NOT NULL "
		   "AND NOT EXISTS (SELECT FROM pensum.workers w "
		   "WHERE starts_with(j.worker, w.name || ':')) ORDER BY 1 LIMIT 1000",
		   0, NULL, looked);
}

/* ---- what has expired ---- */

static void signins_ended(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;

	if (!duty_answered(d, rows, err))
		return;
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		tell(d->h->g, rows, i,
		     (struct job_version){ int_value(rows, i, 2), int_value(rows, i, 3) },
		     "timeout");
}

static void run_signins(struct duty *d)
{
	const char *params[] = { SIGNIN_MAX_AGE_S };

	duty_query(d, "SELECT * FROM pensum.signins_expire($1::bigint)", ARRAY_LEN(params), params,
		   signins_ended);
}

static void cleaned(json_t *gone, void *arg)
{
	CLEANUP_FREE char *text = gone == NULL ? NULL : json_dumps(gone, JSON_COMPACT);

	(void)arg;
	if (text != NULL)
		log_info("cleaned up", "gone=%s", text);
	json_decref(gone);
}

static void purge_begun(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;

	if (duty_answered(d, rows, err) && pgloop_rows(rows) > 0)
		cleanup_run(d->h->g, CLEANUP_IDLE_S, cleaned, NULL);
}

/* Every gateway asks; the one whose turn it is, by PostgreSQL's clock, does it. */
static void run_purge(struct duty *d)
{
	const char *params[] = { PURGE_PAUSE_S };

	duty_query(d,
		   "SELECT true FROM pensum.duty_begin('cleanup', $1::bigint) mine WHERE mine",
		   ARRAY_LEN(params), params, purge_begun);
}

/* ---- life ---- */

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	struct duty *d = arg;

	(void)fd;
	(void)what;
	d->run_fn(d);
}

struct housekeeping *housekeeping_start(struct gateway *g)
{
	static const struct duty table[DUTY_COUNT] = {
		[DUTY_RING] = { .name = "ring", .run_fn = run_ring, .every_ms = RING_EVERY_MS },
		[DUTY_WATCH] = { .name = "watch", .run_fn = run_watch, .every_ms = WATCH_EVERY_MS },
		[DUTY_RELEASE] = { .name = "release" }, /* when the watch says so */
		[DUTY_SIGNINS] = { .name = "signins",
				   .run_fn = run_signins,
				   .every_ms = PURGE_EVERY_MS },
		[DUTY_PURGE] = { .name = "purge", .run_fn = run_purge, .every_ms = PURGE_EVERY_MS },
	};
	struct housekeeping *h = mem_zalloc(sizeof(*h));

	h->g = g;
	h->watch = watch_new();
	for (int i = 0; i < DUTY_COUNT; i++) {
		struct duty *d = &h->duties[i];

		*d = table[i];
		d->h = h;
		if (d->run_fn == NULL)
			continue;
		d->timer = event_new(g->base, -1, 0, on_time, d);
		plan(d, MIN(d->every_ms, RING_EVERY_MS));
	}
	return h;
}

void housekeeping_stop(struct housekeeping *h)
{
	if (h == NULL)
		return;
	for (int i = 0; i < DUTY_COUNT; i++) {
		if (h->duties[i].timer != NULL)
			event_free(h->duties[i].timer);
		h->duties[i].timer = NULL;
	}
	h->is_stopping = true;
	free_if_over(h);
}
