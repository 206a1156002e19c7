#include "admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "clock.h"
#include "mem.h"
#include "pool_ask.h"

#define ASK_EVERY_MS 1000
#define KNOWN_MS     10000 /* older numbers are none */
#define QUERY_MS     2000
#define WAIT_DARK_S  30 /* nothing drains: nobody knows */

static struct {
	int64_t asked_ms, known_ms; /* monotonic; 0: never */
	bool asking;
	struct {
		int64_t queued, added;
		double rate; /* jobs that ended, a second */
	} queues[JOB_QUEUE_COUNT];
} load;

static struct {
	int64_t asked_ms, known_ms;
	bool asking;
	int64_t waiting, max, leased;
	double rate; /* leases that began, a second */
} pool;

int admission_spread_s(int wait_s)
{
	return wait_s + (int)(random() % (wait_s / 4 + 1));
}

int admission_wait_s(double surplus, double rate)
{
	double wait = rate > 0 ? surplus / rate : WAIT_DARK_S;

	return wait >= ADMISSION_WAIT_MAX_S ? ADMISSION_WAIT_MAX_S
					    : MIN(ADMISSION_WAIT_MAX_S,
						  admission_spread_s((int)wait + 1));
}

static bool is_known(int64_t known_ms, int64_t now)
{
	return known_ms != 0 && now - known_ms < KNOWN_MS;
}

static void got_load(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	(void)err;
	(void)arg;
	load.asking = false;
	if (rows == NULL)
		return;
	load.known_ms = clock_now_ms();
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		for (int q = 0; q < JOB_QUEUE_COUNT; q++) {
			if (strcmp(job_queue_name((enum job_queue)q), pgloop_value(rows, i, 0)) !=
			    0)
				continue;
			load.queues[q].queued = api_int_value(rows, i, 1);
			load.queues[q].rate = strtod(pgloop_value(rows, i, 2), NULL);
			load.queues[q].added = 0;
		}
}

static void ask_load(struct gateway *g, int64_t now)
{
	if (load.asking || (load.asked_ms != 0 && now - load.asked_ms < ASK_EVERY_MS))
		return;
	load.asked_ms = now;
	load.asking =
		pgloop_query(g->pg, QUERY_MS,
			     "SELECT q, (SELECT count(*) FROM pensum.jobs WHERE state = 'queued' "
			     "AND queue = q), coalesce(pensum.drain_rate(q), 0) "
			     "FROM (VALUES ('checker'), ('docgen')) queues (q)",
			     0, NULL, got_load, NULL, NULL) == 0;
}

static void got_pool(json_t *status, const char *why, void *arg)
{
	int64_t now = clock_now_ms(), leased;

	(void)why;
	(void)arg;
	pool.asking = false;
	if (status == NULL)
		return; /* none here: the workers' browsers are on other hosts */
	leased = json_integer_value(json_object_get(json_object_get(status, "totals"), "leased"));
	if (is_known(pool.known_ms, now) && now > pool.known_ms && leased >= pool.leased)
		pool.rate = (double)(leased - pool.leased) * 1000 / (double)(now - pool.known_ms);
	else
		pool.rate = 0;
	pool.leased = leased;
	pool.waiting = (int64_t)json_array_size(json_object_get(status, "waiting"));
	pool.max = json_integer_value(
		json_object_get(json_object_get(status, "limits"), "max_waiting"));
	pool.known_ms = now;
}

static void ask_pool(struct gateway *g, int64_t now)
{
	if (g->settings->limits_pool_waiting_percent == 0 || pool.asking ||
	    (pool.asked_ms != 0 && now - pool.asked_ms < ASK_EVERY_MS))
		return;
	pool.asked_ms = now;
	pool.asking = true; /* before: it may answer at once */
	if (pool_ask(g, got_pool, NULL, NULL) < 0)
		pool.asking = false;
}

static bool refuse(struct request *r, const char *code, int wait_s, const char *detail)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", wait_s);
	reply_header(r, "Retry-After", seconds);
	reply_problem(r, 503, code, "%s", detail);
	return true;
}

bool admission_refuses(struct gateway *g, struct request *r, enum job_queue queue, size_t jobs)
{
	int64_t now = clock_now_ms(), surplus;
	int64_t pool_limit = pool.max * g->settings->limits_pool_waiting_percent / 100;

	ask_load(g, now);
	ask_pool(g, now);
	surplus = load.queues[queue].queued + load.queues[queue].added + (int64_t)jobs -
		  g->settings->jobs_max_queued;
	if (is_known(load.known_ms, now) && surplus > 0)
		return refuse(r, "queue_full",
			      admission_wait_s((double)surplus, load.queues[queue].rate),
			      "Too much is waiting already. Try again a little later.");
	if (pool_limit > 0 && is_known(pool.known_ms, now) && pool.waiting >= pool_limit)
		return refuse(r, "pool_busy",
			      admission_wait_s((double)(pool.waiting - pool_limit + 1), pool.rate),
			      "All browsers are busy. Try again a little later.");
	load.queues[queue].added += (int64_t)jobs;
	return false;
}
