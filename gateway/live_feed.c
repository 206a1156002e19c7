#include "live_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "traffic.h"

#define BLOCK_MS "5000"
#define LIMIT_MS 7000
#define BATCH	 500
#define RETRY_MS 1000
#define PAUSE_MS 2

enum feed_state { FEED_OFF, FEED_PLACING, FEED_TAILING };

struct live_feed {
	struct gateway *g;
	const struct live_feed_ops *ops;
	void *arg;
	enum feed_state state;
	char last_id[48];
	struct event *retry;
	struct event *pause;
	int64_t heard_ms; /* when the last entries came */
	bool told_refused; /* nothing could be read when last tried, which was said */
};

static void read_on(struct live_feed *f);

static void send_or_retry(struct live_feed *f, int limit_ms, size_t argc, const char *const *argv,
			  redisloop_fn *fn)
{
	struct timeval later = { RETRY_MS / 1000, 0 };

	if (redisloop_command(f->g->redis_events, limit_ms, argc, argv, fn, f, NULL) < 0) {
		f->state = FEED_OFF;
		event_add(f->retry, &later);
	}
}

/* An answer that is none: the connection is gone (then live_feed_up() comes), or Redis refuses. */
static void stumble(struct live_feed *f, const struct redis_reply *reply)
{
	struct timeval later = { RETRY_MS / 1000, 0 };

	f->state = FEED_OFF;
	event_del(f->pause);
	if (reply == NULL)
		return;
	if (!f->told_refused)
		log_warning("event stream not read", "reason=\"%s\"",
			    redis_error_text(reply) != NULL ? redis_error_text(reply) : "?");
	f->told_refused = true;
	event_add(f->retry, &later);
}

static void set_place(struct live_feed *f, const char *id)
{
	snprintf(f->last_id, sizeof(f->last_id), "%s", id);
}

static void on_newest(const struct redis_reply *reply, void *arg)
{
	const char *id = redis_text(redis_at(redis_at(reply, 0), 0), NULL);
	struct live_feed *f = arg;

	if (reply == NULL || redis_error_text(reply) != NULL) {
		stumble(f, reply);
		return;
	}
	set_place(f, redis_count(reply) > 0 && id != NULL ? id : "0-0");
	f->state = FEED_TAILING;
	f->ops->gap(f->arg);
	read_on(f);
}

static void place(struct live_feed *f)
{
	static const char *const argv[] = { "XREVRANGE", KEY_EVENTS, "+", "-", "COUNT", "1" };

	f->state = FEED_PLACING;
	send_or_retry(f, 0, ARRAY_LEN(argv), argv, on_newest);
}

/* "ms-seq" as text; <0, 0, >0 */
static int compare_ids(const char *a, const char *b)
{
	unsigned long long a_ms = 0, a_seq = 0, b_ms = 0, b_seq = 0;

	sscanf(a, "%20llu-%20llu", &a_ms, &a_seq);
	sscanf(b, "%20llu-%20llu", &b_ms, &b_seq);
	if (a_ms != b_ms)
		return a_ms < b_ms ? -1 : 1;
	return a_seq < b_seq ? -1 : a_seq > b_seq;
}

static const struct redis_reply *info_field(const struct redis_reply *info, const char *name)
{
	for (size_t i = 0; i + 1 < redis_count(info); i += 2) {
		const char *text = redis_text(redis_at(info, i), NULL);

		if (text != NULL && strcmp(text, name) == 0)
			return redis_at(info, i + 1);
	}
	return NULL;
}

/* Flushed: no stream, or one whose newest entry is older than our place. Trimmed: its oldest entry
 * is newer than our place. */
static bool is_continuous(const struct live_feed *f, const struct redis_reply *info)
{
	const char *newest = redis_text(info_field(info, "last-generated-id"), NULL);
	const struct redis_reply *entry = info_field(info, "first-entry");
	const char *oldest = redis_text(redis_at(entry, 0), NULL);

	if (redis_error_text(info) != NULL)
		return strcmp(f->last_id, "0-0") == 0; /* no stream, and there was none before */
	return newest != NULL && compare_ids(newest, f->last_id) >= 0 &&
	       (oldest == NULL || compare_ids(oldest, f->last_id) <= 0 ||
		strcmp(f->last_id, "0-0") == 0);
}

static void on_info(const struct redis_reply *reply, void *arg)
{
	struct live_feed *f = arg;

	if (reply == NULL)
		stumble(f, reply);
	else if (is_continuous(f, reply))
		read_on(f);
	else
		place(f);
}

static void check(struct live_feed *f)
{
	static const char *const argv[] = { "XINFO", "STREAM", KEY_EVENTS };

	send_or_retry(f, 0, ARRAY_LEN(argv), argv, on_info);
}

static void take_entry(struct live_feed *f, const struct redis_reply *entry)
{
	const struct redis_reply *fields = redis_at(entry, 1);
	const char *id = redis_text(redis_at(entry, 0), NULL);
	struct job_event ev;
	bool good = true;

	if (id != NULL)
		set_place(f, id);
	job_event_init(&ev);
	for (size_t i = 0; good && i + 1 < redis_count(fields); i += 2) {
		const char *name = redis_text(redis_at(fields, i), NULL);
		size_t len = 0;
		const char *value = redis_text(redis_at(fields, i + 1), &len);

		good = name != NULL && value != NULL &&
		       job_event_set_field(&ev, name, value, len) == 0;
	}
	traffic_event(f->g->traffic);
	if (good && job_event_check(&ev) == 0)
		f->ops->event(f->arg, &ev);
}

/* What comes alone is heard at once. When entries come close behind others, those of the next moment
 * are read together: each read costs Redis and us as much as several entries do. */
static void read_on_soon(struct live_feed *f)
{
	static const struct timeval moment = { 0, PAUSE_MS * 1000 };
	int64_t now = clock_now_ms(), before = f->heard_ms;

	f->heard_ms = now;
	if (now - before < PAUSE_MS)
		event_add(f->pause, &moment);
	else
		read_on(f);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_on(arg);
}

/* [[stream, [[id, [name, value, …]], …]]], or nil when nothing came in time. */
static void on_entries(const struct redis_reply *reply, void *arg)
{
	const struct redis_reply *entries = redis_at(redis_at(reply, 0), 1);
	struct live_feed *f = arg;
	size_t count = redis_count(entries);

	if (reply == NULL || redis_error_text(reply) != NULL) {
		stumble(f, reply);
		return;
	}
	f->told_refused = false;
	for (size_t i = 0; i < count; i++)
		take_entry(f, redis_at(entries, i));
	if (count == 0 || count >= BATCH)
		check(f); /* silence, or so much that the stream may have outrun us */
	else
		read_on_soon(f);
}

static void read_on(struct live_feed *f)
{
	const char *argv[] = { "XREAD", "BLOCK",    BLOCK_MS,	"COUNT", "500",
			       "STREAMS", KEY_EVENTS, f->last_id };

	send_or_retry(f, LIMIT_MS, ARRAY_LEN(argv), argv, on_entries);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct live_feed *f = arg;

	(void)fd;
	(void)what;
	if (f->state == FEED_OFF && redisloop_is_up(f->g->redis_events))
		place(f);
}

void live_feed_up(struct live_feed *f, bool up)
{
	event_del(f->retry);
	if (!up) {
		event_del(f->pause);
		f->state = FEED_OFF;
	} else if (f->state == FEED_OFF) { /* else one XREAD is on its way already */
		place(f);
	}
}

bool live_feed_is_tailing(const struct live_feed *f)
{
	return f->state == FEED_TAILING;
}

struct live_feed *live_feed_new(struct gateway *g, const struct live_feed_ops *ops, void *arg)
{
	struct live_feed *f = mem_zalloc(sizeof(*f));

	f->g = g;
	f->ops = ops;
	f->arg = arg;
	f->retry = evtimer_new(g->base, on_retry, f);
	f->pause = evtimer_new(g->base, on_pause_over, f);
	return f;
}

void live_feed_free(struct live_feed *f)
{
	if (f == NULL)
		return;
	event_free(f->retry);
	event_free(f->pause);
	free(f);
}
