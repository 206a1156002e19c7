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
#include "log.h"
#include "mem.h"

#define FIRST_MS	 2000
#define WATCH_EVERY_MS	 1000
#define CLOCK_EVERY_MS	 3000
#define PURGE_EVERY_MS	 60000
#define PURGE_PAUSE_S	 "600"
#define AUDIT_PORTION	 "5000"
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

enum duty_kind {
	DUTY_WATCH,
	DUTY_CLOCK,
	DUTY_RELEASE,
	DUTY_SIGNINS,
	DUTY_PURGE,
	DUTY_AUDIT,
	DUTY_SITES,
	DUTY_COUNT
};

struct housekeeping {
	struct gateway *g;
	struct duty duties[DUTY_COUNT];
	int in_flight; /* answers that will still come */
	bool is_stopping;

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

/* What is queued again then is heard of by the feeder, as its event comes. */
static void release(struct duty *d, json_t *names)
{
	CLEANUP_FREE char *text = json_dumps(names, JSON_COMPACT);
	const char *params[] = { text, "worker_lost", failure_find("worker_lost")->message };

	log_warning("workers are silent", "names=%s", text);
	if (duty_query(d, "SELECT * FROM pensum.workers_release($1::jsonb, $2, $3)",
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

/* Whoever runs a job without a row (it was deleted, or its worker died before it was made) is one
 * that never beats. */
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

/* ---- the record's clock ---- */

static void clock_watched(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct duty *d = arg;

	if (duty_answered(d, rows, err) && pgloop_rows(rows) > 0)
		log_warning("PostgreSQL's clock was put back", "by=\"%s\"",
			    pgloop_value(rows, 0, 0));
}

static void run_clock(struct duty *d)
{
	duty_query(d, "SELECT back FROM pensum.clock_watch() back WHERE back IS NOT NULL", 0, NULL,
		   clock_watched);
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

	duty_query(d, "SELECT true FROM pensum.duty_begin('cleanup', $1::bigint) mine WHERE mine",
		   ARRAY_LEN(params), params, purge_begun);
}

static void audit_purged(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	duty_answered(arg, rows, err);
}

static void run_audit(struct duty *d)
{
	char keep_s[24], calendar_s[24];
	const char *params[] = { keep_s, AUDIT_PORTION, calendar_s };

	snprintf(keep_s, sizeof(keep_s), "%lld", (long long)d->h->g->settings->audit_keep_s);
	snprintf(calendar_s, sizeof(calendar_s), "%lld",
		 (long long)d->h->g->settings->calendar_keep_s);
	duty_query(d,
		   "SELECT pensum.audit_purge($1::bigint, $2::integer), pensum.turns_purge(), "
		   "pensum.calendars_purge($3::bigint, $2::integer)",
		   ARRAY_LEN(params), params, audit_purged);
}

/* ---- the sites' limits ---- */

static void sites_told(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	duty_answered(arg, rows, err);
}

/* Those who claim jobs go by what the record has of our settings. */
static void run_sites(struct duty *d)
{
	const struct settings *s = d->h->g->settings;
	CLEANUP_FREE char *text = NULL;
	const char *params[1];
	json_t *limits = json_object();

	for (size_t i = 0; i < sites_count(s); i++)
		if (sites_at(s, i)->max_running > 0)
			json_object_set_new(limits, sites_at(s, i)->id,
					    json_integer(sites_at(s, i)->max_running));
	text = json_dumps(limits, JSON_COMPACT);
	json_decref(limits);
	params[0] = text;
	duty_query(d, "SELECT pensum.sites_set($1::jsonb)", ARRAY_LEN(params), params, sites_told);
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
		[DUTY_WATCH] = { .name = "watch", .run_fn = run_watch, .every_ms = WATCH_EVERY_MS },
		[DUTY_CLOCK] = { .name = "clock", .run_fn = run_clock, .every_ms = CLOCK_EVERY_MS },
		[DUTY_RELEASE] = { .name = "release" }, /* when the watch says so */
		[DUTY_SIGNINS] = { .name = "signins",
				   .run_fn = run_signins,
				   .every_ms = PURGE_EVERY_MS },
		[DUTY_PURGE] = { .name = "purge", .run_fn = run_purge, .every_ms = PURGE_EVERY_MS },
		[DUTY_AUDIT] = { .name = "audit", .run_fn = run_audit, .every_ms = PURGE_EVERY_MS },
		[DUTY_SITES] = { .name = "sites", .run_fn = run_sites, .every_ms = PURGE_EVERY_MS },
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
		plan(d, i == DUTY_SITES ? 0 : MIN(d->every_ms, FIRST_MS));
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
