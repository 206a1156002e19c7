#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "claim.h"
#include "file.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define REDIS_MS   1000
#define HELD_MS	   30000 /* a job is not given back for so long when its file cannot be read */
#define READ_BYTES ((size_t)256 * 1024 * 1024) /* a file is never larger than the spool */

struct replay {
	struct spool *sp;
	struct pg *pg;
	struct redis *redis;
	struct job_event ev;
	const char *worker, *user, *result, *secret; /* borrowed from the record */
	json_t *statements;
	bool met_unreadable, holds; /* holds: and a job runs, as far as the record knows, that is in it */
};

static int run_statement(struct replay *p, json_t *statement, struct error *err)
{
	size_t count = json_array_size(statement);
	const char **params = mem_zalloc_array(count, sizeof(*params));
	int r;

	for (size_t i = 1; i < count; i++)
		params[i - 1] = json_string_value(json_array_get(statement, i));
	r = pg_exec(p->pg, json_string_value(json_array_get(statement, 0)), count - 1, params, NULL,
		    err);
	free(params);
	return r;
}

/* Answer one row: what became of the job, and its event's n. */
static const char finish_sql[] =
	"SELECT $4::text, $5::integer "
	"WHERE pensum.job_finish($1, $2::integer, $3, $4, $5::integer, $6::jsonb, $7, $8)";
static const char wait_sql[] =
	"SELECT state, CASE state WHEN 'waiting' THEN $4::integer ELSE 1000000 END "
	"FROM pensum.job_wait($1, $2::integer, $3, $4::integer, $5, $6, $7) state "
	"WHERE state IS NOT NULL";

static int say_end(struct replay *p, struct pg_result **r, struct error *err)
{
	const char *code = p->ev.state != JOB_SUCCEEDED ? p->ev.step : NULL;
	const char *message = p->ev.state != JOB_SUCCEEDED ? p->ev.note : NULL;
	char attempt[16], n[16];
	const char *finish[] = { p->ev.job, attempt,   p->worker, job_state_name(p->ev.state),
				 n,	    p->result, code,	  message };
	const char *wait[] = { p->ev.job, attempt, p->worker, n, code, message, p->secret };

	snprintf(attempt, sizeof(attempt), "%d", p->ev.version.attempt);
	snprintf(n, sizeof(n), "%d", p->ev.version.n);
	if (p->ev.state == JOB_WAITING)
		return pg_exec(p->pg, wait_sql, ARRAY_LEN(wait), wait, r, err);
	return pg_exec(p->pg, finish_sql, ARRAY_LEN(finish), finish, r, err);
}

/* 1 and what the row says now is what is told, 0 there is none. */
static int take_row(struct replay *p, const struct pg_result *r)
{
	int state = pg_rows(r) == 1 ? job_state_parse(pg_value(r, 0, 0)) : -1;

	if (state < 0)
		return 0;
	p->ev.state = (enum job_state)state;
	p->ev.version = job_version_of_row(p->ev.state, p->ev.version.attempt,
					   atoi(pg_value(r, 0, 1)));
	return 1;
}

/* 1 recorded, 0 no longer this attempt's to record. */
static int finish(struct replay *p, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	json_t *statement;
	size_t i;
	int e = pg_begin(p->pg, err);

	json_array_foreach (p->statements, i, statement)
		if (e == 0)
			e = run_statement(p, statement, err);
	if (e == 0)
		e = say_end(p, &r, err);
	if (e == 0 && pg_rows(r) == 1) {
		e = pg_commit(p->pg, err);
		return e < 0 ? e : take_row(p, r);
	}
	pg_rollback(p->pg);
	return e;
}

/* It was recorded already: a crash came between that and the end of the file. A job that waits has
 * no worker any more. */
static int was_recorded(struct replay *p, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	char attempt[16];
	const char *params[] = { p->ev.job, attempt, p->worker, job_state_name(p->ev.state) };
	int e;

	snprintf(attempt, sizeof(attempt), "%d", p->ev.version.attempt);
	e = pg_exec(p->pg,
		    "SELECT state, event_n FROM pensum.jobs WHERE id = $1 AND attempt = "
		    "$2::integer AND state = $4 AND (worker = $3 OR state = 'waiting')",
		    ARRAY_LEN(params), params, &r, err);
	return e < 0 ? e : take_row(p, r);
}

/* What Redis remembers of the student may be older than what was recorded just now; an answer that a
 * gateway is making of it is not to be kept behind this, either. */
static void forget_cached(const struct replay *p)
{
	char courses[KEY_SIZE], moodle[KEY_SIZE];

	key_courses(courses, p->user);
	key_moodle(moodle, p->user);
	redis_call(p->redis, REDIS_MS, NULL, NULL, "SET", courses, "", "EX", KEY_CHANGED_S, NULL);
	redis_call(p->redis, REDIS_MS, NULL, NULL, "DEL", moodle, NULL);
}

static void tell(struct replay *p)
{
	if (p->ev.state == JOB_SUCCEEDED || json_array_size(p->statements) > 0)
		forget_cached(p);
	claim_publish(p->redis, &p->ev);
}

static int read_record(const struct spool *sp, const char *name, json_t **ret, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", sp->dir, name);
	CLEANUP(buf_done) struct buf sealed = BUF_INIT;
	CLEANUP(buf_wipe) struct buf text = BUF_INIT;
	int r = file_read(path, READ_BYTES, &sealed, err);

	if (r == 0)
		r = vault_unseal(sp->vault, name, sealed.data, &text, err);
	if (r < 0)
		return r;
	*ret = json_loadb(text.data, text.len, 0, NULL);
	return *ret != NULL ? 0 : error_set(err, -EBADMSG, "not JSON");
}

static bool is_complete(const struct replay *p)
{
	json_t *statement;
	size_t i;

	json_array_foreach (p->statements, i, statement)
		if (!json_is_string(json_array_get(statement, 0)))
			return false;
	return id_is_valid(p->ev.job) && p->worker != NULL && p->user != NULL &&
	       (p->ev.state == JOB_SUCCEEDED || p->ev.state == JOB_FAILED ||
		p->ev.state == JOB_WAITING) &&
	       json_is_array(p->statements);
}

/* Without an end: from a version that kept successes only. */
static int end_of(const json_t *record)
{
	const char *end = json_string_value(json_object_get(record, "end"));

	return end != NULL ? job_state_parse(end) : JOB_SUCCEEDED;
}

static void begin_replay(struct replay *p, const json_t *record)
{
	const char *job = json_string_value(json_object_get(record, "job"));
	const char *code = json_string_value(json_object_get(record, "code"));
	const char *message = json_string_value(json_object_get(record, "message"));
	int end = end_of(record);

	job_event_init(&p->ev);
	snprintf(p->ev.job, sizeof(p->ev.job), "%s", job ? job : "");
	p->ev.state = end < 0 ? JOB_QUEUED : (enum job_state)end;
	p->ev.version.attempt = (int)json_integer_value(json_object_get(record, "attempt"));
	p->ev.version.n = (int)json_integer_value(json_object_get(record, "n"));
	snprintf(p->ev.step, sizeof(p->ev.step), "%s", code ? code : "done");
	snprintf(p->ev.note, sizeof(p->ev.note), "%s", message ? message : "");
	p->worker = json_string_value(json_object_get(record, "worker"));
	p->user = json_string_value(json_object_get(record, "user"));
	p->result = json_string_value(json_object_get(record, "result"));
	p->secret = json_string_value(json_object_get(record, "secret"));
	p->statements = json_object_get(record, "statements");
}

/* 1 recorded, 0 not to be recorded, negative: PostgreSQL is away. */
static int replay_record(struct replay *p, const json_t *record, struct error *err)
{
	int e;

	begin_replay(p, record);
	if (!is_complete(p)) {
		error_set(err, -EBADMSG, "not a record of finished work");
		return 0;
	}
	e = finish(p, err);
	if (e == 0)
		e = was_recorded(p, err);
	if (e == 0) {
		error_set(err, -ESTALE, "the attempt was taken over");
		count_one(&p->sp->counts->zombie_rejected[COUNT_OP_REPLAY]);
	}
	if (e > 0)
		tell(p);
	return e == -EPROTO ? 0 : e; /* refused: it would be again */
}

/* name: of the file, or of the worker when it is not known which files there are. What the record does
 * not wait for needs nobody to wait. */
static int ask_held(struct replay *p, const char *name, bool is_file, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *colon = strrchr(name, ':');
	const char *job = colon != NULL ? colon + 1 : name;
	int e = pg_exec(p->pg,
			is_file ? "SELECT 1 FROM pensum.jobs WHERE id = split_part($1, '.', 1) "
				  "AND state = 'running' AND attempt::text = split_part($1, '.', 2)"
				: "SELECT 1 FROM pensum.jobs WHERE state = 'running' "
				  "AND (worker = $1 OR starts_with(worker, $1 || ':')) LIMIT 1",
			1, is_file ? &job : &name, &r, err);

	if (e == 0 && pg_rows(r) > 0)
		p->holds = true;
	return e;
}

/* Only a file that was read tells that it is none of ours; this one stays. */
static void note_unreadable(struct replay *p, const struct error *err)
{
	struct spool *sp = p->sp;

	p->met_unreadable = true;
	if (!sp->is_held) {
		log_warning("finished work cannot be read for now", "err=\"%s\"", err->text);
		sp->is_held = true;
		sp->held_until = deadline_in(HELD_MS);
	}
}

static int judge_unreadable(const struct replay *p, struct error *err)
{
	p->sp->is_held = p->met_unreadable;
	if (!p->holds || deadline_is_over(p->sp->held_until))
		return 0;
	return error_set(err, -EAGAIN, "worker.spool_dir has what cannot be read");
}

static int replay_file(struct replay *p, const char *name, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", p->sp->dir, name);
	json_t *record = NULL;
	int e = read_record(p->sp, name, &record, err);

	if (e == -ENOENT)
		return 0;
	if (e < 0 && e != -EBADMSG && e != -EFBIG) {
		note_unreadable(p, err);
		return ask_held(p, name, true, err);
	}
	e = e < 0 ? 0 : replay_record(p, record, err);
	json_decref(record);
	if (e < 0)
		return e;
	if (e > 0) {
		log_notice("finished work recorded", "job=%s attempt=%d", p->ev.job,
			   p->ev.version.attempt);
		count_one(&p->sp->counts->replayed);
	} else {
		log_error("finished work dropped", "file=%s why=\"%s\"", name, err->text);
	}
	unlink(path);
	return 0;
}

/* A folder that is not there, or not for us, has nothing of ours: spool_check() told that. */
static DIR *open_folder(struct replay *p)
{
	DIR *d = opendir(p->sp->dir);
	struct error err;

	if (d == NULL && errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
		error_set(&err, -errno, "%s: %s", p->sp->dir, strerror(errno));
		note_unreadable(p, &err);
	}
	return d;
}

int spool_replay(struct spool *sp, const char *worker, struct pg *pg, struct redis *redis,
		 struct error *err)
{
	struct replay p = { .sp = sp, .pg = pg, .redis = redis };
	const struct dirent *entry;
	char prefix[SPOOL_NAME_SIZE];
	DIR *d = open_folder(&p);
	int r = 0;

	if (p.met_unreadable)
		r = ask_held(&p, worker, false, err);
	spool_prefix(worker, prefix);
	while (r == 0 && d != NULL && (entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (!text_starts_with(entry->d_name, prefix))
			continue;
		if (len > 4 && strcmp(entry->d_name + len - 4, ".tmp") == 0)
			unlinkat(dirfd(d), entry->d_name, 0); /* somebody died while writing it */
		else
			r = replay_file(&p, entry->d_name, err);
	}
	if (d != NULL)
		closedir(d);
	return r < 0 ? r : judge_unreadable(&p, err);
}
