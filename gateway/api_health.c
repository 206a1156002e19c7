/*
 * api_health.c - GET /health.
 *
 * Health is 200 also when degraded: the gateway answers, and says what is missing. The numbers of
 * the queue are PostgreSQL's, at most a second old, and the last known ones while it is away.
 */
#include "api_handlers.h"

#include <string.h>

#include "api_call.h"
#include "clock.h"
#include "options.h"

#define FRESH_MS 1000
#define WAIT_MS	 1000

static struct {
	int64_t read_at_ms; /* monotonic; 0: never */
	int64_t waiting, running, slots;
	bool has_checker, has_docgen;
} known;

struct health {
	struct gateway *g;
	struct request *r;
};

static void reply_health(struct gateway *g, struct request *r, bool has_database)
{
	json_t *degraded = json_array();

	if (!has_database)
		json_array_append_new(degraded, json_string("postgres"));
	if (pgloop_refusal(g->pg) != NULL)
		json_array_append_new(degraded, json_string("postgres_refuses"));
	if (!redisloop_is_up(g->redis))
		json_array_append_new(degraded, json_string("redis"));
	if (redisloop_refusal(g->redis) != NULL)
		json_array_append_new(degraded, json_string("redis_refuses"));
	if (has_database && !known.has_checker)
		json_array_append_new(degraded, json_string("checker-worker"));
	if (has_database && !known.has_docgen)
		json_array_append_new(degraded, json_string("docgen-worker"));
	reply_json(r, 200,
		   json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:s}", "status",
			     json_array_size(degraded) > 0 ? "degraded" : "ok", "degraded",
			     degraded, "uptime_s",
			     (json_int_t)((clock_now_ms() - g->started_ms) / 1000), "queue_length",
			     (json_int_t)known.waiting, "processing", (json_int_t)known.running,
			     "max_concurrent", (json_int_t)known.slots, "version",
			     pensum_version));
}

static void got_numbers(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct health *h = arg;

	(void)err;
	if (rows != NULL) {
		known.read_at_ms = clock_now_ms();
		known.waiting = api_int_value(rows, 0, 0);
		known.running = api_int_value(rows, 0, 1);
		known.slots = api_int_value(rows, 0, 2);
		known.has_checker = pgloop_value(rows, 0, 3)[0] == 't';
		known.has_docgen = pgloop_value(rows, 0, 4)[0] == 't';
	}
	reply_health(h->g, h->r, rows != NULL);
}

/* Not api_query(): a database that is away is an answer here. */
void api_health(struct gateway *g, struct request *r)
{
	struct health *h = request_alloc(r, sizeof(*h));

	*h = (struct health){ .g = g, .r = r };
	if (pgloop_is_up(g->pg) && known.read_at_ms != 0 &&
	    clock_now_ms() - known.read_at_ms < FRESH_MS)
		reply_health(g, r, true);
	else if (!pgloop_is_up(g->pg) ||
		 pgloop_query(g->pg, WAIT_MS,
			      "SELECT (SELECT count(*) FROM pensum.jobs WHERE state = 'queued'), "
			      "(SELECT count(*) FROM pensum.jobs WHERE state = 'running'), "
			      "coalesce(sum(slots), 0), "
			      "coalesce(bool_or(name LIKE '%:checker'), false), "
			      "coalesce(bool_or(name LIKE '%:docgen'), false) "
			      "FROM pensum.workers WHERE seen_at > now() - interval '15 seconds'",
			      0, NULL, got_numbers, h, NULL) < 0)
		reply_health(g, r, false);
}
