#include "farewell.h"

#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "keys.h"
#include "log.h"
#include "mem.h"

#define LISTED 64

/* What is to be looked for once more. */
struct forgetting {
	struct forgetting *next;
	struct gateway *g;
	struct event *again;
	char user_id[VAULT_USER_ID];
	json_t *jobs;
};

void farewell_seal(struct gateway *g, const char *user_id, const char *sealed,
		   struct farewell *out)
{
	json_t *json = json_pack("{s:s, s:s?}", "user", user_id, "session", sealed);
	CLEANUP_FREE char *text = json_dumps(json, JSON_COMPACT);
	char context[64];
	unsigned char random[(VAULT_USER_ID - 1) / 2];

	json_decref(json);
	vault_new_id(out->job_id);
	vault_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out->as + 2 * i, 3, "%02x", random[i]);
	snprintf(context, sizeof(context), "signout %s", out->job_id);
	vault_seal(g->vault, context, text, strlen(text), &out->secret);
}

void farewell_done(struct farewell *f)
{
	buf_done(&f->secret);
}

/* ---- Redis ---- */

/* The entries of these jobs in all streams; what a worker had read of them is acked by it. */
static const char sweep_script[] =
	"local gone = {} for _, id in ipairs(ARGV) do gone[id] = true end "
	"for _, key in ipairs(KEYS) do "
	"for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do "
	"for i = 1, #entry[2], 2 do if entry[2][i] == 'j' and gone[entry[2][i + 1]] then "
	"redis.call('XDEL', key, entry[1]) end end end end";

static void sweep_streams(struct gateway *g, json_t *jobs)
{
	char keys[1 + JOB_QUEUE_COUNT * JOB_PRIORITY_COUNT][KEY_SIZE] = { KEY_EVENTS };
	size_t key_count = 1, n = 0, i, size = 3 + ARRAY_LEN(keys) + json_array_size(jobs);
	CLEANUP_FREE const char **argv = mem_zalloc_array(size, sizeof(*argv));
	char count[8];
	json_t *id;

	for (int q = 0; q < JOB_QUEUE_COUNT; q++)
		for (int p = 0; p < JOB_PRIORITY_COUNT; p++)
			key_job_stream(keys[key_count++], (enum job_queue)q, (enum job_priority)p);
	snprintf(count, sizeof(count), "%zu", key_count);
	argv[n++] = "EVAL";
	argv[n++] = sweep_script;
	argv[n++] = count;
	for (i = 0; i < key_count; i++)
		argv[n++] = keys[i];
	json_array_foreach(jobs, i, id)
		argv[n++] = json_string_value(id);
	redisloop_command(g->redis, 0, n, argv, NULL, NULL, NULL);
}

static void sweep_redis(struct gateway *g, const char *user_id, json_t *jobs)
{
	static const char *const limits[] = { "signin", "write" };
	char key[KEY_SIZE];
	json_t *id;
	size_t i;

	key_moodle(key, user_id);
	api_redis_send(g, "DEL", key, NULL);
	key_courses(key, user_id);
	api_redis_send(g, "DEL", key, NULL);
	key_signin(key, user_id);
	api_redis_send(g, "DEL", key, NULL);
	for (i = 0; i < ARRAY_LEN(limits); i++) {
		key_limit(key, limits[i], user_id);
		api_redis_send(g, "DEL", key, NULL);
	}
	json_array_foreach(jobs, i, id) {
		key_job(key, json_string_value(id));
		api_redis_send(g, "DEL", key, NULL);
	}
	if (json_array_size(jobs) > 0)
		sweep_streams(g, jobs);
}

/* ---- the object store ---- */

static void delete_object(struct gateway *g, const char *key)
{
	struct error err;

	if (g->store != NULL && store_delete(g->store, key, &err) < 0)
		log_warning("object not deleted", "err=\"%s\"", err.text);
}

/* All that lies under the student's name, whether or not a row ever told of it. What cannot be
 * deleted is housekeeping's. */
static void sweep_store(struct gateway *g, const char *user_id)
{
	CLEANUP_FREE struct store_entry *found = mem_zalloc_array(LISTED, sizeof(*found));
	char after[STORE_KEY_SIZE];
	struct error err;
	char folder[VAULT_USER_ID + 1];
	size_t len;

	snprintf(folder, sizeof(folder), "%s/", user_id);
	snprintf(after, sizeof(after), "%s", folder);
	len = strlen(folder);
	while (g->store != NULL) {
		int n = store_list(g->store, after, found, LISTED, &err);

		for (int i = 0; i < n; i++) {
			if (strncmp(found[i].key, folder, len) != 0)
				return;
			delete_object(g, found[i].key);
		}
		if (n <= 0)
			return;
		snprintf(after, sizeof(after), "%s", found[n - 1].key);
	}
}

/* ---- twice ---- */

static void forgetting_free(struct forgetting *f)
{
	event_free(f->again);
	json_decref(f->jobs);
	free(f);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct forgetting *f = arg, **at;

	(void)fd;
	(void)what;
	sweep_redis(f->g, f->user_id, f->jobs);
	sweep_store(f->g, f->user_id);
	for (at = &f->g->forgetting; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	forgetting_free(f);
}

void farewell_forget(struct gateway *g, const char *user_id, json_t *jobs, json_t *objects)
{
	struct timeval later = { FAREWELL_AGAIN_MS / 1000, 0 };
	struct forgetting *f = mem_zalloc(sizeof(*f));
	json_t *object;
	size_t i;

	json_array_foreach(objects, i, object)
		delete_object(g, json_string_value(object));
	sweep_store(g, user_id);
	sweep_redis(g, user_id, jobs);

	f->g = g;
	snprintf(f->user_id, sizeof(f->user_id), "%s", user_id);
	f->jobs = json_incref(jobs);
	f->again = evtimer_new(g->base, on_again, f);
	f->next = g->forgetting;
	g->forgetting = f;
	event_add(f->again, &later);
}

void farewell_stop(struct gateway *g)
{
	while (g->forgetting != NULL) {
		struct forgetting *f = g->forgetting;

		g->forgetting = f->next;
		forgetting_free(f);
	}
}
