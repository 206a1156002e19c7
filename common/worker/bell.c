#include "bell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mem.h"

#define COMMAND_MS 1000
#define BLOCK_MS   2000
#define GONE_MS	   "7200000" /* an entry held longer than any job runs: its slot is gone */

/* KEYS: the streams, most urgent first; ARGV: group, consumer. One entry, of the first that has
 * one. */
static const char take_script[] = "for _, key in ipairs(KEYS) do "
				  "local got = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], "
				  "'COUNT', 1, 'STREAMS', key, '>') "
				  "if got then return got end end return false";

void bell_init(struct bell *b, struct redis *redis, enum job_queue queue, const char *name,
	       bool urgent)
{
	*b = (struct bell){ .redis = redis,
			    .name = name,
			    .heard = urgent ? 1 : JOB_PRIORITY_COUNT };
	for (int i = 0; i < JOB_PRIORITY_COUNT; i++)
		key_job_stream(b->streams[i], queue, (enum job_priority)i);
}

/* What Redis refuses it refuses each second again: that is told once, until it is done. */
static void make_groups(struct bell *b)
{
	bool is_refused = false;
	struct error err;

	for (int i = 0; i < JOB_PRIORITY_COUNT; i++) {
		int e = redis_call(b->redis, COMMAND_MS, NULL, &err, "XGROUP", "CREATE",
				   b->streams[i], KEY_GROUP, "0", "MKSTREAM", NULL);

		if (e != -EPROTO || strstr(err.text, "BUSYGROUP") != NULL)
			continue;
		if (!b->told_refused)
			log_warning("consumer group not made", "stream=%s err=\"%s\"",
				    b->streams[i], err.text);
		is_refused = true;
	}
	b->told_refused = is_refused;
}

/* What slots that are gone (fewer slots, another host name) hold becomes ours, to be forgotten. */
static void take_abandoned(struct bell *b)
{
	for (int i = 0; i < JOB_PRIORITY_COUNT; i++)
		redis_call(b->redis, COMMAND_MS, NULL, NULL, "XAUTOCLAIM", b->streams[i], KEY_GROUP,
			   b->name, GONE_MS, "0-0", "COUNT", "100", "JUSTID", NULL);
}

void bell_attend(struct bell *b)
{
	make_groups(b);
	take_abandoned(b);
}

static int read_entries(const struct redis_reply *reply, struct entry out[BELL_ENTRIES])
{
	int found = 0;

	for (size_t i = 0; i < redis_count(reply) && found < BELL_ENTRIES; i++)
		found += entry_read(redis_at(reply, i), &out[found]);
	return found;
}

/* One entry of each of the first streams at most. from is ">" for new entries or "0" for our own
 * pending ones. */
static int read_streams(struct bell *b, int count, const char *from, bool block,
			struct entry out[BELL_ENTRIES], struct error *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const char *argv[16] = { "XREADGROUP", "GROUP", KEY_GROUP, b->name, "COUNT", "1" };
	char block_ms[16];
	size_t argc = 6;
	int e;

	snprintf(block_ms, sizeof(block_ms), "%d", BLOCK_MS);
	if (block) {
		argv[argc++] = "BLOCK";
		argv[argc++] = block_ms;
	}
	argv[argc++] = "STREAMS";
	for (int i = 0; i < count; i++)
		argv[argc++] = b->streams[i];
	for (int i = 0; i < count; i++)
		argv[argc++] = from;
	e = redis_command(b->redis, block ? BLOCK_MS + COMMAND_MS : COMMAND_MS, argc, argv, &reply,
			  err);
	return e < 0 ? e : read_entries(reply, out);
}

int bell_read_own(struct bell *b, struct entry out[BELL_ENTRIES], struct error *err)
{
	return read_streams(b, JOB_PRIORITY_COUNT, "0", false, out, err);
}

static int take_one(struct bell *b, struct entry out[BELL_ENTRIES], struct error *err)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char keys[8];
	const char *argv[5 + JOB_PRIORITY_COUNT] = { "EVAL", take_script, keys };
	size_t argc = 3;
	int e;

	snprintf(keys, sizeof(keys), "%d", b->heard);
	for (int i = 0; i < b->heard; i++)
		argv[argc++] = b->streams[i];
	argv[argc++] = KEY_GROUP;
	argv[argc++] = b->name;
	e = redis_command(b->redis, COMMAND_MS, argc, argv, &reply, err);
	return e < 0 ? e : read_entries(reply, out);
}

/* Block on all only when all are empty, so that no entry waits in our name while another slot is
 * idle. */
int bell_read_next(struct bell *b, bool block, struct entry out[BELL_ENTRIES], struct error *err)
{
	int count = take_one(b, out, err);

	return count != 0 || !block ? count : read_streams(b, b->heard, ">", true, out, err);
}

/* In this order: an entry that was deleted and not acked is still pending in our name and comes
 * back as a ghost; one that was acked and not deleted would stay for ever. */
void bell_forget(struct bell *b, const struct entry *e)
{
	redis_post(b->redis, 3, (const char *const[]){ "XDEL", e->stream, e->id });
	redis_post(b->redis, 4, (const char *const[]){ "XACK", e->stream, KEY_GROUP, e->id });
}
