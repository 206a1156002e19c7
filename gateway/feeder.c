#include "feeder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "ring.h"

#define LOOK_EVERY_MS 2000
#define QUERY_MS      10000
#define PAUSE_MS      10 /* between an answer and the next question, at least … */
#define PAUSE_MAX_MS  40 /* … and as long as that answer took, but no longer than this */
#define STREAMS	      (JOB_QUEUE_COUNT * JOB_PRIORITY_COUNT)

struct feeder {
	struct gateway *g;
	struct event *look; /* every two seconds: counts the entries, then asks */
	struct event *kick;
	int in_flight; /* answers that will still come */
	bool is_stopping;

	bool asking; /* counting or in the query */
	bool again;  /* kicked meanwhile */
	int64_t asked_ms;
	size_t streams_asked;
	int64_t entries; /* in all job streams; -1: cannot tell */
};

static void plan(struct event *timer, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(timer, &tv);
}

static void free_if_over(struct feeder *f)
{
	if (f->is_stopping && f->in_flight == 0)
		free(f);
}

static int find_name(const char *name, const char *(*name_of)(int), int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name_of(i), name) == 0)
			return i;
	return -1;
}

static const char *queue_name(int queue)
{
	return job_queue_name((enum job_queue)queue);
}

static const char *priority_name(int priority)
{
	return job_priority_name((enum job_priority)priority);
}

/* Row: id, queue, priority, attempt. */
static void ring_row(struct gateway *g, const struct pgloop_result *rows, size_t row)
{
	int queue = find_name(pgloop_value(rows, row, 1), queue_name, JOB_QUEUE_COUNT);
	int priority = find_name(pgloop_value(rows, row, 2), priority_name, JOB_PRIORITY_COUNT);

	if (queue >= 0 && priority >= 0)
		ring_job(g, (enum job_queue)queue, (enum job_priority)priority,
			 pgloop_value(rows, row, 0), atoi(pgloop_value(rows, row, 3)));
}

static void end_asking(struct feeder *f)
{
	f->asking = false;
	if (f->again)
		plan(f->kick, MIN(PAUSE_MAX_MS, MAX(PAUSE_MS, clock_now_ms() - f->asked_ms)));
	f->again = false;
}

static void on_rows(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct feeder *f = arg;

	f->in_flight--;
	if (f->is_stopping) {
		free_if_over(f);
		return;
	}
	if (rows == NULL && err->code != -ESHUTDOWN)
		log_warning("bells wait", "why=\"%s\"", err->text);
	for (size_t i = 0; rows != NULL && i < pgloop_rows(rows); i++)
		ring_row(f->g, rows, i);
	end_asking(f);
}

static void ask(struct feeder *f)
{
	char per_user[24], entries[24];
	const char *params[] = { per_user, f->entries >= 0 ? entries : NULL };
	struct error err;

	f->asking = true;
	f->asked_ms = clock_now_ms();
	snprintf(per_user, sizeof(per_user), "%lld",
		 (long long)f->g->settings->jobs_per_user_running);
	snprintf(entries, sizeof(entries), "%lld", (long long)f->entries);
	if (pgloop_query(f->g->pg, QUERY_MS,
			 "SELECT id, queue, priority, attempt FROM "
			 "pensum.jobs_to_ring($1::integer, $2::bigint)",
			 ARRAY_LEN(params), params, on_rows, f, &err) == 0) {
		f->in_flight++;
		return;
	}
	log_warning("bells wait", "why=\"%s\"", err.text);
	f->asking = f->again = false; /* the next look asks */
}

static void on_count(const struct redis_reply *reply, void *arg)
{
	struct feeder *f = arg;

	f->in_flight--;
	f->streams_asked--;
	if (reply == NULL || redis_error_text(reply) != NULL)
		f->entries = -1;
	else if (f->entries >= 0)
		f->entries += redis_integer(reply);
	if (f->is_stopping)
		free_if_over(f);
	else if (f->streams_asked == 0 && f->entries >= 0)
		ask(f);
	else if (f->streams_asked == 0)
		f->asking = f->again = false;
}

static void count_entries(struct feeder *f)
{
	char key[KEY_SIZE];
	const char *argv[] = { "XLEN", key };

	f->entries = 0;
	for (int i = 0; i < STREAMS; i++) {
		key_job_stream(key, (enum job_queue)(i / JOB_PRIORITY_COUNT),
			       (enum job_priority)(i % JOB_PRIORITY_COUNT));
		if (redisloop_command(f->g->redis, 0, ARRAY_LEN(argv), argv, on_count, f, NULL) <
		    0) {
			f->entries = -1;
			continue;
		}
		f->in_flight++;
		f->streams_asked++;
	}
	f->asking = f->streams_asked > 0;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	plan(f->look, LOOK_EVERY_MS);
	if (f->asking)
		f->again = true;
	else
		count_entries(f);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct feeder *f = arg;

	(void)fd;
	(void)what;
	if (f->asking) {
		f->again = true;
	} else if (redisloop_is_up(f->g->redis)) {
		f->entries = -1;
		ask(f);
	}
}

struct feeder *feeder_start(struct gateway *g)
{
	struct feeder *f = mem_zalloc(sizeof(*f));

	f->g = g;
	f->look = event_new(g->base, -1, 0, on_look, f);
	f->kick = event_new(g->base, -1, 0, on_kick, f);
	plan(f->look, LOOK_EVERY_MS);
	return f;
}

void feeder_kick(struct feeder *f)
{
	if (f == NULL || event_pending(f->kick, EV_TIMEOUT, NULL))
		return;
	if (f->asking)
		f->again = true;
	else
		event_active(f->kick, EV_TIMEOUT, 0);
}

/* What has ended, or waits for the student, leaves a turn; what is queued again wants one. The
 * first queued event of a job is nobody's: its submission has rung or kicked. */
void feeder_hear(struct feeder *f, const struct job_event *ev)
{
	if (ev->state != JOB_RUNNING)
		feeder_kick(f);
}

void feeder_stop(struct feeder *f)
{
	if (f == NULL)
		return;
	event_free(f->look);
	event_free(f->kick);
	f->is_stopping = true;
	free_if_over(f);
}
