#include "ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"
#include "mem.h"

#define NOTE_MS 5000

struct bell {
	struct gateway *g;
	char job_id[ID_LEN + 1];
};

static void on_noted(const struct pgloop_result *result, const struct error *err, void *arg)
{
	(void)arg;
	/* The feeder rings what was not heard in any case; this only makes it sooner. */
	if (result == NULL)
		log_warning("bell not noted", "reason=\"%s\"", err->text);
}

static void note_unrung(struct gateway *g, const char *job_id)
{
	static const char sql[] = "UPDATE pensum.jobs SET rung_at = NULL "
				  "WHERE id = $1 AND state = 'queued'";
	struct error err;

	if (pgloop_query(g->pg, NOTE_MS, sql, 1, &job_id, on_noted, NULL, &err) < 0)
		log_warning("bell not noted", "reason=\"%s\"", err.text);
}

static void on_rung(const struct redis_reply *reply, void *arg)
{
	struct bell *bell = arg;

	if (redis_text(reply, NULL) == NULL)
		note_unrung(bell->g, bell->job_id);
	free(bell);
}

void ring_job(struct gateway *g, enum job_queue queue, enum job_priority priority,
	      const char *job_id, int attempt)
{
	char key[KEY_SIZE], count[16];
	const char *argv[] = { "XADD", key, "*", "j", job_id, "a", count };
	struct bell *bell = mem_zalloc(sizeof(*bell));

	key_job_stream(key, queue, priority);
	snprintf(count, sizeof(count), "%d", attempt);
	bell->g = g;
	snprintf(bell->job_id, sizeof(bell->job_id), "%s", job_id);
	if (redisloop_command(g->redis, 0, ARRAY_LEN(argv), argv, on_rung, bell, NULL) == 0)
		return;
	note_unrung(g, job_id);
	free(bell);
}
