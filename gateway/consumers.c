#include "consumers.h"

#include <stdio.h>
#include <stdlib.h>

#include "jobmsg.h"
#include "keys.h"
#include "mem.h"

#define QUERY_MS 10000
#define DAY_MS	 "86400000"
#define STREAMS	 (JOB_QUEUE_COUNT * JOB_PRIORITY_COUNT)

/* KEYS: streams; ARGV: group, a day (ms), idle (ms), then each known worker's name and slots. A
 * stream or group that is not there has no consumers. */
static const char script[] =
	"local known, gone = {}, 0 for i = 4, #ARGV, 2 do "
	"for slot = 0, tonumber(ARGV[i + 1]) - 1 do known[ARGV[i] .. ':' .. slot] = true end end "
	"for _, key in ipairs(KEYS) do local all = redis.pcall('XINFO', 'CONSUMERS', key, ARGV[1]) "
	"if not all.err then for _, fields in ipairs(all) do local c = {} "
	"for i = 1, #fields, 2 do c[fields[i]] = fields[i + 1] end "
	"if c.pending == 0 and (c.idle >= tonumber(ARGV[2]) or "
	"(not known[c.name] and c.idle >= tonumber(ARGV[3]))) then "
	"redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], c.name) gone = gone + 1 end "
	"end end end return gone";

struct cleaning {
	struct gateway *g;
	int64_t idle_s;
	consumers_fn *fn;
	void *arg;
};

static void finish(struct cleaning *c, int64_t gone)
{
	c->fn(gone, c->arg);
	free(c);
}

static void answered(const struct redis_reply *reply, void *arg)
{
	bool is_lost = reply == NULL || redis_error_text(reply) != NULL;

	finish(arg, is_lost ? -1 : redis_integer(reply));
}

static void got_workers(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	size_t count = rows == NULL ? 0 : pgloop_rows(rows), argc = 3 + STREAMS;
	CLEANUP_FREE const char **argv = mem_zalloc_array(argc + 3 + 2 * count, sizeof(*argv));
	char keys[STREAMS][KEY_SIZE], idle_ms[32], streams[16];
	struct cleaning *c = arg;

	(void)err; /* that PostgreSQL is away is said elsewhere */
	snprintf(streams, sizeof(streams), "%d", STREAMS);
	snprintf(idle_ms, sizeof(idle_ms), "%lld", (long long)c->idle_s * 1000);
	argv[0] = "EVAL";
	argv[1] = script;
	argv[2] = streams;
	for (int i = 0; i < STREAMS; i++) {
		key_job_stream(keys[i], (enum job_queue)(i / JOB_PRIORITY_COUNT),
			       (enum job_priority)(i % JOB_PRIORITY_COUNT));
		argv[3 + i] = keys[i];
	}
	argv[argc++] = KEY_GROUP;
	argv[argc++] = DAY_MS;
	argv[argc++] = idle_ms;
	for (size_t i = 0; i < count; i++) {
		argv[argc++] = pgloop_value(rows, i, 0);
		argv[argc++] = pgloop_value(rows, i, 1);
	}
	if (rows == NULL || redisloop_command(c->g->redis, 0, argc, argv, answered, c, NULL) < 0)
		finish(c, -1);
}

void consumers_clean(struct gateway *g, int64_t idle_s, consumers_fn *fn, void *arg)
{
	struct cleaning *c = mem_zalloc(sizeof(*c));

	*c = (struct cleaning){ .g = g, .idle_s = idle_s, .fn = fn, .arg = arg };
	if (pgloop_query(g->pg, QUERY_MS, "SELECT name, slots FROM pensum.workers", 0, NULL,
			 got_workers, c, NULL) < 0)
		finish(c, -1);
}
