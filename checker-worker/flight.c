#include "flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"
#include "mem.h"

#define REDIS_MS   1000
#define AGAIN_MS   100
#define LOOK_MS	   1000	  /* between two looks whether who has the turn lives */
#define END_MS	   180000 /* behind the attempt's time: its end may wait for the database */
#define REFUSED_MS "60000"
#define REFUSED	   "refused "
#define HOLDER	   64 /* more than a job's id */

/* Takes the turn from nobody, from this job's last attempt, from a refusal, and from ARGV[2], who
 * is gone, for ARGV[3] ms; answers what was there. */
static const char take_script[] =
	"local v = redis.call('GET', KEYS[1]) "
	"if not v or v == ARGV[1] or v == ARGV[2] or string.sub(v, 1, 8) == 'refused ' then "
	"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) return {1, v or ''} end "
	"return {0, v}";

static const char leave_script[] =
	"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
	"if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end "
	"redis.call('SET', KEYS[1], ARGV[2], 'PX', " REFUSED_MS ") return 1";

static void read_refusal(struct flight *f, const char *value)
{
	char *end;

	if (strncmp(value, REFUSED, strlen(REFUSED)) != 0)
		return;
	f->refused_at = strtoll(value + strlen(REFUSED), &end, 10);
	if (*end == ' ')
		snprintf(f->refused, sizeof(f->refused), "%s", end + 1);
}

/* The turn, or who has it in holder. */
static bool take(struct work *w, struct flight *f, const char *gone, char holder[HOLDER])
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const char *value;
	char key[KEY_SIZE], kept[24];

	key_signin(key, w->user_id);
	snprintf(kept, sizeof(kept), "%lld", (long long)deadline_left_ms(w->deadline) + END_MS);
	if (redis_call(w->redis, REDIS_MS, &reply, NULL, "EVAL", take_script, "1", key, w->id, gone,
		       kept, NULL) < 0 ||
	    redis_count(reply) != 2)
		return true;
	value = redis_text(redis_at(reply, 1), NULL);
	f->held = redis_integer(redis_at(reply, 0)) == 1;
	if (f->held)
		read_refusal(f, value ? value : "");
	else
		snprintf(holder, HOLDER, "%s", value ? value : "");
	return f->held;
}

static bool is_running(struct work *w, const char *job)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *params[] = { job };

	if (pg_exec(w->pg, "SELECT 1 FROM pensum.jobs WHERE id = $1 AND state = 'running'", 1,
		    params, &r, NULL) < 0)
		return true;
	return pg_rows(r) > 0;
}

int flight_begin(struct work *w, struct flight *f)
{
	struct deadline next_look = deadline_in(0);
	char holder[HOLDER] = "", gone[HOLDER] = "";

	while (!take(w, f, gone, holder)) {
		gone[0] = '\0'; /* it may run again by now */
		if (deadline_is_over(next_look)) {
			snprintf(gone, sizeof(gone), "%s", is_running(w, holder) ? "" : holder);
			next_look = deadline_in(LOOK_MS);
			if (gone[0] != '\0')
				continue;
			log_debug("another sign-in goes on", "holder=%s", holder);
		}
		if (work_tick(w) != 0)
			return work_fail(w, "cancelled", NULL);
		if (deadline_is_over(w->deadline))
			return work_fail(w, "timeout", NULL);
		clock_sleep_ms(AGAIN_MS);
	}
	return 0;
}

static json_t *make_result(const struct pg_result *r)
{
	return json_pack("{s:{s:I, s:s}, s:i, s:i, s:i}", "user", "id",
			 (json_int_t)strtoll(pg_value(r, 0, 2), NULL, 10), "fullname",
			 pg_value(r, 0, 3), "courses", atoi(pg_value(r, 0, 4)), "requests", 0,
			 "bytes", 0);
}

enum flight_word flight_ask(struct work *w, const struct flight *f, const char *password,
			    json_t **result)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *params[] = { w->id, w->user_id };
	int64_t submitted_at;

	/* A little before, too: the gateway had looked for a saved session when it made the job. */
	if (pg_exec(w->pg,
		    "SELECT floor(extract(epoch FROM j.created_at) * 1000)::bigint, m.verifier, "
		    "coalesce(u.moodle_id, 0), u.fullname, coalesce((SELECT "
		    "jsonb_array_length(c.courses) FROM pensum.course_lists c WHERE c.user_id = "
		    "$2), 0) "
		    "FROM pensum.jobs j LEFT JOIN pensum.users u ON u.id = $2 AND u.seen_at > "
		    "j.created_at - interval '5 s' LEFT JOIN pensum.moodle_sessions m ON m.user_id "
		    "= u.id AND "
		    "m.expires_at > now() WHERE j.id = $1",
		    2, params, &r, NULL) < 0 ||
	    pg_rows(r) == 0)
		return FLIGHT_ASK;
	submitted_at = strtoll(pg_value(r, 0, 0), NULL, 10);
	if (f->refused[0] != '\0' && f->refused_at > submitted_at &&
	    vault_check_verifier(w->vault, w->user_id, password, f->refused))
		return FLIGHT_REFUSED;
	if (pg_value(r, 0, 1) == NULL ||
	    !vault_check_verifier(w->vault, w->user_id, password, pg_value(r, 0, 1)))
		return FLIGHT_ASK;
	*result = make_result(r);
	return FLIGHT_IN;
}

void flight_end(struct work *w, struct flight *f, const char *verifier)
{
	/* What was refused by an earlier refusal's word was refused then. */
	bool again = verifier != NULL && strcmp(verifier, f->refused) == 0;
	long long at = again ? (long long)f->refused_at : (long long)clock_wall_ms();
	CLEANUP_FREE char *note =
		verifier ? mem_printf(REFUSED "%lld %s", at, verifier) : mem_strdup("");
	char key[KEY_SIZE];

	if (!f->held)
		return;
	f->held = false;
	key_signin(key, w->user_id);
	redis_call(w->redis, REDIS_MS, NULL, NULL, "EVAL", leave_script, "1", key, w->id, note,
		   NULL);
}
