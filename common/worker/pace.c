#include "pace.h"

#include <stdio.h>

#include "keys.h"
#include "mem.h"

#define REDIS_MS 1000
#define STEP_MS	 100
#define BUCKET	 1000000 /* µs: how much may be asked at once */
#define SHARERS	 8	 /* jobs at one time, where they have no limit */

/* ARGV: the time that the requests take at this pace, and how far ahead of the clock the bucket may be
 * ("": they have been sent already). All µs. Answers for how long there is no room for them, ms. What is
 * more than an hour ahead nobody has sent: Redis's clock was set back, and it begins anew. */
static const char take_script[] =
	"local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] "
	"local free = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) "
	"if free > now + 3600000000 then free = now end "
	"local early = ARGV[2] ~= '' and free - now - ARGV[2] or 0 "
	"if early > 0 then return math.ceil(early / 1000) end "
	"free = free + ARGV[1] "
	"redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', "
	"math.ceil((free - now) / 1000) + 1000) return 0";

/* Negative: Redis cannot tell. */
static int64_t ask_bucket(struct work *w, long long requests, const char *ahead)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[KEY_SIZE], cost[24];
	struct error err;

	key_pace(key, w->site->id);
	snprintf(cost, sizeof(cost), "%lld",
		 requests * 1000000 / (long long)w->site->requests_per_s);
	if (redis_call(w->redis, REDIS_MS, &reply, &err, "EVAL", take_script, "1", key, cost, ahead,
		       NULL) < 0)
		return -1;
	return redis_integer(reply);
}

static int wait_ms(struct work *w, int64_t ms)
{
	struct deadline until = deadline_in(ms);

	if (ms > deadline_left_ms(w->deadline) / 2) {
		w->retry_after_ms = ms;
		return work_fail(w, "site_busy",
				 "Many ask this Moodle at this moment. This goes on in a while.");
	}
	while (!deadline_is_over(until)) {
		if (work_tick(w) != 0)
			return work_fail(w, "cancelled", NULL);
		clock_sleep_ms(MIN(STEP_MS, deadline_left_ms(until)));
	}
	return 0;
}

int pace_take(struct work *w, int64_t *gap_ms)
{
	int64_t per_s = w->site->requests_per_s, sharers = w->site->max_running;
	int64_t gap = per_s > 0 ? 1000 / per_s : 0, early = 0;
	char ahead[16];

	snprintf(ahead, sizeof(ahead), "%d", BUCKET);
	while (per_s > 0 && (early = ask_bucket(w, 1, ahead)) > 0)
		if (wait_ms(w, early) < 0)
			return -1;
	if (early < 0)
		gap = 1000 * (sharers > 0 ? sharers : SHARERS) / per_s;
	if (gap_ms != NULL)
		*gap_ms = gap;
	return early < 0 ? wait_ms(w, gap) : 0;
}

void pace_spent(struct work *w, long long requests)
{
	if (w->site->requests_per_s > 0 && requests > 0)
		ask_bucket(w, requests, "");
}
