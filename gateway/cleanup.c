#include "cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "buf.h"
#include "consumers.h"
#include "lock.h"
#include "log.h"
#include "mem.h"

#define LOCK_MS	     60000
#define QUERY_MS     10000
#define PORTIONS_MAX 200 /* of one kind in one run: what is left goes with the next */
#define LISTED	     200
#define LISTED_MAX   100 /* portions of the store in one run */
#define ORPHAN_AGE_S 3600
#define SCAN_COUNT   "500"

/* In the order in which they go. The first ones are pensum.purge()'s. */
enum gone {
	GONE_SESSIONS,
	GONE_MOODLE_SESSIONS,
	GONE_COURSE_LISTS,
	GONE_RESULTS,
	GONE_DOCUMENTS,
	GONE_JOBS,
	GONE_WORKERS,
	GONE_FILES,
	GONE_ORPHAN_FILES,
	GONE_IDLE_SESSIONS,
	GONE_IDLE_CACHES,
	GONE_CONSUMERS,
	GONE_COUNT
};
#define PURGED_COUNT GONE_FILES

static const char *const names[GONE_COUNT] = {
	[GONE_SESSIONS] = "sessions",	      [GONE_MOODLE_SESSIONS] = "moodle_sessions",
	[GONE_COURSE_LISTS] = "course_lists", [GONE_RESULTS] = "results",
	[GONE_DOCUMENTS] = "documents",	      [GONE_JOBS] = "jobs",
	[GONE_WORKERS] = "workers",	      [GONE_FILES] = "files",
	[GONE_ORPHAN_FILES] = "orphan_files", [GONE_IDLE_SESSIONS] = "idle_sessions",
	[GONE_IDLE_CACHES] = "idle_caches",   [GONE_CONSUMERS] = "consumers",
};

struct cleanup {
	struct gateway *g;
	cleanup_fn *fn;
	void *arg;
	struct lock lock;
	int64_t idle_s;
	int64_t gone[GONE_COUNT];
	bool is_complete;
	int what;     /* kind that is being purged */
	int portions; /* of the step that runs */
	char after[STORE_KEY_SIZE];
	char cursor[24];
};

static struct cleanup *running; /* NULL: none */

static void cleanup_end(struct cleanup *c)
{
	json_t *answer = json_object();

	for (int i = 0; i < GONE_COUNT; i++)
		json_object_set_new(answer, names[i], json_integer(c->gone[i]));
	json_object_set_new(answer, "complete", json_boolean(c->is_complete));
	lock_release(c->g, &c->lock);
	running = NULL;
	c->fn(answer, c->arg);
	free(c);
}

/* ---- Redis: what nobody has used ---- */

/* Answers how many sessions and how many caches went. What cannot tell its age (LFU eviction)
 * stays. */
static const char idle_script[] =
	"local sessions, caches = 0, 0 for _, key in ipairs(KEYS) do "
	"local age = redis.pcall('OBJECT', 'IDLETIME', key) "
	"if type(age) == 'number' and age >= tonumber(ARGV[1]) then "
	"local gone = redis.call('DEL', key) "
	"if string.sub(key, 1, 15) == 'pensum:session:' then sessions = sessions + gone "
	"else caches = caches + gone end end end return {sessions, caches}";

static void consumers_gone(int64_t gone, void *arg)
{
	struct cleanup *c = arg;

	c->gone[GONE_CONSUMERS] = MAX(0, gone);
	c->is_complete = c->is_complete && gone >= 0;
	cleanup_end(c);
}

static void scan(struct cleanup *c);

static void scan_fails(struct cleanup *c)
{
	c->is_complete = false;
	cleanup_end(c);
}

static void idle_gone(const struct redis_reply *reply, void *arg)
{
	struct cleanup *c = arg;

	if (reply == NULL || redis_error_text(reply) != NULL) {
		scan_fails(c);
		return;
	}
	c->gone[GONE_IDLE_SESSIONS] += redis_integer(redis_at(reply, 0));
	c->gone[GONE_IDLE_CACHES] += redis_integer(redis_at(reply, 1));
	if (strcmp(c->cursor, "0") == 0)
		consumers_clean(c->g, c->idle_s, consumers_gone, c);
	else
		scan(c);
}

static bool may_idle(const char *key)
{
	static const char *const kinds[] = { "pensum:session:", "pensum:moodle:",
					     "pensum:courses:" };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (strncmp(key, kinds[k], strlen(kinds[k])) == 0)
			return true;
	return false;
}

static void scanned(const struct redis_reply *reply, void *arg)
{
	const char *cursor = redis_text(redis_at(reply, 0), NULL);
	const struct redis_reply *keys = redis_at(reply, 1);
	CLEANUP_FREE const char **argv = mem_zalloc_array(redis_count(keys) + 4, sizeof(*argv));
	struct cleanup *c = arg;
	char number[24], idle[24];
	size_t argc = 3;

	if (reply == NULL || redis_error_text(reply) != NULL || cursor == NULL) {
		scan_fails(c);
		return;
	}
	snprintf(c->cursor, sizeof(c->cursor), "%s", cursor);
	for (size_t i = 0; i < redis_count(keys); i++) {
		const char *key = redis_text(redis_at(keys, i), NULL);

		if (key != NULL && may_idle(key))
			argv[argc++] = key;
	}
	snprintf(number, sizeof(number), "%zu", argc - 3);
	snprintf(idle, sizeof(idle), "%lld", (long long)c->idle_s);
	argv[0] = "EVAL";
	argv[1] = idle_script;
	argv[2] = number;
	argv[argc++] = idle;
	if (redisloop_command(c->g->redis, 0, argc, argv, idle_gone, c, NULL) < 0)
		scan_fails(c);
}

static void scan(struct cleanup *c)
{
	const char *argv[] = { "SCAN",	c->cursor,  "MATCH", "pensum:*",
			       "COUNT", SCAN_COUNT, "TYPE",  "string" };

	if (redisloop_command(c->g->redis, 0, ARRAY_LEN(argv), argv, scanned, c, NULL) < 0)
		scan_fails(c);
}

static void scan_begin(struct cleanup *c)
{
	snprintf(c->cursor, sizeof(c->cursor), "0");
	scan(c);
}

/* ---- the object store: what nothing refers to ---- */

static void list_next(struct cleanup *c);

static bool delete_object(struct cleanup *c, const char *key)
{
	struct error err;

	if (store_delete(c->g->store, key, &err) == 0)
		return true;
	log_warning("object stays", "object=%s why=\"%s\"", key, err.text);
	c->is_complete = false;
	return false;
}

static void got_orphans(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct cleanup *c = arg;

	if (rows == NULL) {
		log_warning("cleanup is not complete", "why=\"%s\"", err->text);
		c->is_complete = false;
		scan_begin(c);
		return;
	}
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		c->gone[GONE_ORPHAN_FILES] += delete_object(c, pgloop_value(rows, i, 0));
	list_next(c);
}

/* Keys need no quotes in an array's text. */
static size_t add_old(struct buf *keys, const struct store_entry *found, int count)
{
	size_t old = 0;

	buf_add_char(keys, '{');
	for (int i = 0; i < count; i++)
		if (found[i].age_s > ORPHAN_AGE_S)
			buf_printf(keys, "%s%s", old++ == 0 ? "" : ",", found[i].key);
	buf_add_char(keys, '}');
	return old;
}

static void list_next(struct cleanup *c)
{
	CLEANUP_FREE struct store_entry *found = mem_zalloc_array(LISTED, sizeof(*found));
	CLEANUP(buf_done) struct buf keys = BUF_INIT;
	const char *params[1];
	struct error err;
	size_t old = 0;

	while (old == 0 && c->portions++ < LISTED_MAX) {
		int count = store_list(c->g->store, c->after, found, LISTED, &err);

		if (count <= 0)
			break;
		snprintf(c->after, sizeof(c->after), "%s", found[count - 1].key);
		buf_clear(&keys);
		old = add_old(&keys, found, count);
	}
	params[0] = keys.data;
	if (old == 0 ||
	    pgloop_query(c->g->pg, QUERY_MS, "SELECT * FROM pensum.objects_orphaned($1::text[])", 1,
			 params, got_orphans, c, NULL) < 0)
		scan_begin(c);
}

/* ---- PostgreSQL: what has expired ---- */

static void purge(struct cleanup *c);

static void purge_next_kind(struct cleanup *c)
{
	c->portions = 0;
	if (++c->what < PURGED_COUNT)
		purge(c);
	else
		list_next(c);
}

/* The keys as jsonb made them. */
static void delete_files(struct cleanup *c, json_t *objects)
{
	json_t *object;
	size_t i;

	json_array_foreach (objects, i, object)
		c->gone[GONE_FILES] += delete_object(c, json_string_value(object));
	json_decref(objects);
}

static void purged(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct cleanup *c = arg;
	int64_t count;

	if (rows == NULL) { /* the database is away; Redis can be tidied all the same */
		log_warning("cleanup is not complete", "why=\"%s\"", err->text);
		c->is_complete = false;
		scan_begin(c);
		return;
	}
	if (pgloop_rows(rows) == 0) {
		c->is_complete = false; /* another gateway is at it */
		purge_next_kind(c);
		return;
	}
	count = api_int_value(rows, 0, 0);
	c->gone[c->what] += count;
	delete_files(c, api_json_value(rows, 0, 1));
	if (count < CLEANUP_PORTION || ++c->portions == PORTIONS_MAX)
		purge_next_kind(c);
	else
		purge(c);
}

static void purge(struct cleanup *c)
{
	char keep_s[24], portion[24];
	const char *params[] = { names[c->what], keep_s, portion };

	snprintf(keep_s, sizeof(keep_s), "%lld", (long long)c->g->settings->jobs_keep_s);
	snprintf(portion, sizeof(portion), "%d", CLEANUP_PORTION);
	if (pgloop_query(c->g->pg, QUERY_MS,
			 "SELECT gone, to_jsonb(objects) FROM pensum.purge($1, $2::bigint, "
			 "$3::integer)",
			 ARRAY_LEN(params), params, purged, c, NULL) < 0) {
		c->is_complete = false;
		scan_begin(c);
	}
}

/* ---- life ---- */

static void begin(bool taken, void *arg)
{
	struct cleanup *c = arg;

	if (taken) {
		purge(c);
		return;
	}
	running = NULL;
	c->fn(NULL, c->arg);
	free(c);
}

int cleanup_run(struct gateway *g, int64_t idle_s, cleanup_fn *fn, void *arg)
{
	struct cleanup *c;

	if (running != NULL)
		return -EBUSY;
	c = mem_zalloc(sizeof(*c));
	*c = (struct cleanup){
		.g = g, .fn = fn, .arg = arg, .idle_s = idle_s, .is_complete = true
	};
	running = c;
	lock_take(g, &c->lock, "cleanup", LOCK_MS, begin, c);
	return 0;
}

void cleanup_stop(struct gateway *g)
{
	if (running != NULL)
		lock_release(g, &running->lock);
}
