#include "moodle_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"
#include "mem.h"

#define REDIS_MS       1000
#define RECORD_MS      10000 /* patience with a database that is away */
#define RECORD_BACK_MS 200

static void seal_context(const char *user_id, char out[64])
{
	snprintf(out, 64, "moodle %s", user_id);
}

/* What was sealed, or NULL. */
static json_t *open_sealed(struct work *w, const char *user_id, const char *sealed)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT;
	char context[64];
	struct error err;

	seal_context(user_id, context);
	if (vault_unseal(w->vault, context, sealed, &text, &err) < 0) {
		log_warning("saved Moodle session unusable", "err=\"%s\"", err.text);
		return NULL;
	}
	return json_loads(text.data, 0, NULL);
}

static void seal(struct work *w, const json_t *cookies, const json_t *service, struct buf *out)
{
	json_t *both = service ? json_pack("{s:O, s:O}", "cookies", cookies, "service", service) :
				 json_deep_copy(cookies);
	char *text = json_dumps(both, JSON_COMPACT), context[64];

	json_decref(both);
	seal_context(w->user_id, context);
	vault_seal(w->vault, context, text, strlen(text), out);
	mem_wipe(text, strlen(text));
	free(text);
}

json_t *moodle_session_cookies(struct work *w, const char *user_id, const char *sealed)
{
	json_t *content = open_sealed(w, user_id, sealed), *cookies;

	cookies = json_is_object(content) ? json_object_get(content, "cookies") : content;
	json_incref(cookies);
	json_decref(content);
	if (!json_is_array(cookies)) {
		json_decref(cookies);
		return NULL;
	}
	return cookies;
}

json_t *moodle_session_service(struct work *w, const char *sealed)
{
	json_t *content = open_sealed(w, w->user_id, sealed),
	       *service = json_incref(json_object_get(content, "service"));

	json_decref(content);
	return service;
}

/* The sealed cookies as text that is the caller's, or NULL. */
static char *load_from_redis(struct work *w)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	const char *text, *sealed;
	char key[KEY_SIZE], *copy = NULL;
	json_t *saved;

	key_moodle(key, w->user_id);
	if (redis_call(w->redis, REDIS_MS, &reply, NULL, "GET", key, NULL) < 0)
		return NULL;
	text = redis_text(reply, NULL);
	saved = text ? json_loads(text, 0, NULL) : NULL;
	sealed = json_string_value(json_object_get(saved, "sealed"));
	if (sealed != NULL)
		copy = mem_strdup(sealed);
	json_decref(saved);
	return copy;
}

static int ask_postgres(struct work *w, char **ret, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *params[] = { w->user_id };
	int e = pg_exec(w->pg,
			"SELECT sealed FROM pensum.moodle_sessions "
			"WHERE user_id = $1 AND expires_at > now()",
			1, params, &r, err);

	if (e == 0 && pg_rows(r) > 0)
		*ret = mem_strdup(pg_value(r, 0, 0));
	return e;
}

/* That the database is away for a moment does not mean that the student has to sign in again. */
static int load_from_postgres(struct work *w, char **ret)
{
	struct deadline patience = work_within(w, RECORD_MS);
	struct error err;

	while (ask_postgres(w, ret, &err) < 0) {
		if (deadline_is_over(patience)) {
			log_warning("saved Moodle session not read", "err=\"%s\"", err.text);
			return work_fail(w, "database_lost", NULL);
		}
		if (work_tick(w) != 0)
			return work_fail(w, "cancelled", NULL);
		clock_sleep_ms(RECORD_BACK_MS);
	}
	return 0;
}

int moodle_session_load(struct work *w, char **ret)
{
	*ret = load_from_redis(w);
	return *ret != NULL ? 0 : load_from_postgres(w, ret);
}

static void forget_in_redis(struct work *w, const char *sealed)
{
	static const char script[] = "local v=redis.call('GET',KEYS[1])\n"
				     "if v and string.find(v,ARGV[1],1,true) then "
				     "return redis.call('DEL',KEYS[1]) end return 0";
	char key[KEY_SIZE];

	key_moodle(key, w->user_id);
	redis_call(w->redis, REDIS_MS, NULL, NULL, "EVAL", script, "1", key, sealed, NULL);
}

void moodle_session_forget(struct work *w, const char *sealed)
{
	const char *params[] = { w->user_id, sealed };

	forget_in_redis(w, sealed);
	pg_exec(w->pg, "DELETE FROM pensum.moodle_sessions WHERE user_id = $1 AND sealed = $2", 2,
		params, NULL, NULL);
}

/* Redis only copies what PostgreSQL has, and is asked again when it has nothing. */
void moodle_session_drop_service(struct work *w, const char *sealed)
{
	json_t *cookies = moodle_session_cookies(w, w->user_id, sealed);
	CLEANUP(buf_done) struct buf without = BUF_INIT;
	const char *params[] = { w->user_id, sealed, NULL };
	struct error err;

	if (cookies == NULL)
		return;
	seal(w, cookies, NULL, &without);
	json_decref(cookies);
	params[2] = without.data;
	if (pg_exec(w->pg,
		    "UPDATE pensum.moodle_sessions SET sealed = $3 "
		    "WHERE user_id = $1 AND sealed = $2",
		    3, params, NULL, &err) < 0)
		log_warning("saved Moodle session unchanged", "err=\"%s\"", err.text);
	else
		forget_in_redis(w, sealed);
}

void moodle_session_done(void *moodle_session)
{
	struct moodle_session *ms = moodle_session;

	buf_wipe(&ms->sealed);
	mem_wipe(ms->verifier, sizeof(ms->verifier));
}

void moodle_session_make(struct work *w, const json_t *cookies, const json_t *service,
			 const char *verifier, struct moodle_session *ms)
{
	ms->sealed = (struct buf)BUF_INIT;
	seal(w, cookies, service, &ms->sealed);
	ms->expires_at = clock_wall_ms() / 1000 + w->settings->cache_moodle_session_s;
	snprintf(ms->verifier, sizeof(ms->verifier), "%s", verifier);
}

int moodle_session_store(struct work *w, const struct moodle_session *ms, struct error *err)
{
	char expires[24];
	const char *params[] = { w->user_id, ms->sealed.data, ms->verifier, expires };

	snprintf(expires, sizeof(expires), "%lld", (long long)ms->expires_at);
	return pg_exec(
		w->pg,
		"INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at) "
		"VALUES ($1, $2, $3, to_timestamp($4::bigint)) ON CONFLICT (user_id) DO UPDATE "
		"SET sealed = $2, verifier = $3, expires_at = to_timestamp($4::bigint)",
		4, params, NULL, err);
}

void moodle_session_cache(struct work *w, const struct moodle_session *ms)
{
	json_t *value = json_pack("{s:s, s:s, s:I}", "sealed", ms->sealed.data, "verifier",
				  ms->verifier, "expires_at", (json_int_t)ms->expires_at);
	CLEANUP_FREE char *text = json_dumps(value, JSON_COMPACT);
	char key[KEY_SIZE], expires[24];

	key_moodle(key, w->user_id);
	snprintf(expires, sizeof(expires), "%lld", (long long)ms->expires_at);
	redis_call(w->redis, REDIS_MS, NULL, NULL, "SET", key, text, "EXAT", expires, NULL);
	json_decref(value);
}
