#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "claim.h"
#include "fd.h"
#include "file.h"
#include "keys.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define FILES_MAX  1000
#define REDIS_MS   1000
#define READ_BYTES ((size_t)256 * 1024 * 1024) /* a file is never larger than the spool */
#define NAME_SIZE  160

int spool_check(const struct settings *s, struct error *err)
{
	if (mkdir(s->worker_spool_dir, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "worker.spool_dir = \"%s\": %s", s->worker_spool_dir,
				 strerror(errno));
	if (access(s->worker_spool_dir, R_OK | W_OK | X_OK) < 0)
		return error_set(err, -errno, "worker.spool_dir = \"%s\": %s", s->worker_spool_dir,
				 strerror(errno));
	return 0;
}

void spool_init(struct spool *sp, const struct settings *s, const struct vault *v,
		struct counts *counts)
{
	*sp = (struct spool){ .dir = s->worker_spool_dir,
			      .max_bytes = s->worker_spool_max_mb * 1024 * 1024,
			      .vault = v,
			      .counts = counts };
}

/* "host:queue:slot" -> "queue:slot:"; the host may have got another name meanwhile. */
static void prefix_of(const char *worker, char out[NAME_SIZE])
{
	const char *colon = strchr(worker, ':');

	snprintf(out, NAME_SIZE, "%s:", colon != NULL ? colon + 1 : worker);
}

/* ---- keeping ---- */

static void note_statement(void *arg, const char *sql, size_t count, const char *const *params)
{
	json_t *statement = json_array();

	json_array_append_new(statement, json_string(sql));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(statement, params[i] ? json_string(params[i]) : json_null());
	json_array_append_new(arg, statement);
}

/* What the finishing transaction would say; NULL: it cannot be kept. */
static json_t *describe(struct work *w, struct error *err)
{
	CLEANUP_FREE char *result = w->result ? json_dumps(w->result, JSON_COMPACT) : NULL;
	json_t *statements = json_array();
	int e = 0;

	pg_record(w->pg, note_statement, statements);
	if (w->commit != NULL)
		e = w->commit(w, w->commit_arg, err);
	pg_record(w->pg, NULL, NULL);
	if (e < 0) {
		json_decref(statements);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s?, s:o}", "worker", w->worker, "job", w->id,
			 "attempt", w->attempt, "n", w->event.version.n + 1, "user", w->user_id,
			 "result", result, "statements", statements);
}

static int64_t bytes_kept(const struct spool *sp, int *files)
{
	DIR *d = opendir(sp->dir);
	const struct dirent *entry;
	struct stat st;
	int64_t bytes = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		bytes += st.st_size;
		++*files;
	}
	if (d != NULL)
		closedir(d);
	return bytes;
}

static int sync_folder(const char *path, struct error *err)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int write_file(const struct spool *sp, const char *name, const struct buf *sealed,
		      struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", sp->dir, name);
	int files = 0, r;

	if (bytes_kept(sp, &files) + (int64_t)sealed->len > sp->max_bytes || files >= FILES_MAX)
		return error_set(err, -ENOSPC, "worker.spool_dir is full");
	r = file_write_atomic(path, sealed->data, sealed->len, 0600, err);
	return r < 0 ? r : sync_folder(sp->dir, err);
}

int spool_save(const struct spool *sp, struct work *w, struct error *err)
{
	CLEANUP(buf_done) struct buf sealed = BUF_INIT;
	json_t *record = describe(w, err);
	char prefix[NAME_SIZE], name[NAME_SIZE], *text;
	int r;

	if (record == NULL)
		return err != NULL ? err->code : -EPROTO;
	prefix_of(w->worker, prefix);
	snprintf(name, sizeof(name), "%s%s.%d", prefix, w->id, w->attempt);
	text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	vault_seal(sp->vault, name, text, strlen(text), &sealed);
	mem_wipe(text, strlen(text));
	free(text);
	r = write_file(sp, name, &sealed, err);
	if (r == 0)
		count_one(&sp->counts->spooled);
	return r;
}

/* ---- recording ---- */

struct replay {
	const struct spool *sp;
	struct pg *pg;
	struct redis *redis;
	struct job_event ev;
	const char *worker, *user, *result; /* borrowed from the record */
	json_t *statements;
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

/* 1 recorded, 0 no longer this attempt's to record. */
static int finish(struct replay *p, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	char attempt[16], n[16];
	const char *params[] = { p->ev.job, attempt, p->worker, n, p->result };
	json_t *statement;
	size_t i;
	int e = pg_begin(p->pg, err);

	snprintf(attempt, sizeof(attempt), "%d", p->ev.version.attempt);
	snprintf(n, sizeof(n), "%d", p->ev.version.n);
	json_array_foreach (p->statements, i, statement)
		if (e == 0)
			e = run_statement(p, statement, err);
	if (e == 0)
		e = pg_exec(p->pg,
			    "SELECT pensum.job_finish($1, $2::integer, $3, 'succeeded', "
			    "$4::integer, $5::jsonb, NULL, NULL)",
			    ARRAY_LEN(params), params, &r, err);
	if (e == 0 && strcmp(pg_value(r, 0, 0), "t") == 0) {
		e = pg_commit(p->pg, err);
		return e < 0 ? e : 1;
	}
	pg_rollback(p->pg);
	return e;
}

/* It was recorded already: a crash came between that and the end of the file. */
static int was_recorded(struct replay *p, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	char attempt[16];
	const char *params[] = { p->ev.job, attempt, p->worker };
	int e;

	snprintf(attempt, sizeof(attempt), "%d", p->ev.version.attempt);
	e = pg_exec(p->pg,
		    "SELECT event_n FROM pensum.jobs WHERE id = $1 AND attempt = $2::integer "
		    "AND worker = $3 AND state = 'succeeded'",
		    ARRAY_LEN(params), params, &r, err);
	if (e < 0 || pg_rows(r) == 0)
		return e;
	p->ev.version.n = atoi(pg_value(r, 0, 0));
	return 1;
}

/* What Redis remembers of the student may be older than what was recorded just now; an answer that a
 * gateway is making of it is not to be kept behind this, either. */
static void tell(struct replay *p)
{
	char courses[KEY_SIZE], moodle[KEY_SIZE];

	key_courses(courses, p->user);
	key_moodle(moodle, p->user);
	redis_call(p->redis, REDIS_MS, NULL, NULL, "SET", courses, "", "EX", KEY_CHANGED_S, NULL);
	redis_call(p->redis, REDIS_MS, NULL, NULL, "DEL", moodle, NULL);
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
	       json_is_array(p->statements);
}

static void begin_replay(struct replay *p, const json_t *record)
{
	const char *job = json_string_value(json_object_get(record, "job"));

	job_event_init(&p->ev);
	snprintf(p->ev.job, sizeof(p->ev.job), "%s", job ? job : "");
	p->ev.state = JOB_SUCCEEDED;
	p->ev.version.attempt = (int)json_integer_value(json_object_get(record, "attempt"));
	p->ev.version.n = (int)json_integer_value(json_object_get(record, "n"));
	snprintf(p->ev.step, sizeof(p->ev.step), "done");
	p->worker = json_string_value(json_object_get(record, "worker"));
	p->user = json_string_value(json_object_get(record, "user"));
	p->result = json_string_value(json_object_get(record, "result"));
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

static int replay_file(struct replay *p, const char *name, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", p->sp->dir, name);
	json_t *record = NULL;
	int e = read_record(p->sp, name, &record, err);

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

int spool_replay(const struct spool *sp, const char *worker, struct pg *pg, struct redis *redis,
		 struct error *err)
{
	struct replay p = { .sp = sp, .pg = pg, .redis = redis };
	DIR *d = opendir(sp->dir);
	const struct dirent *entry;
	char prefix[NAME_SIZE];
	int r = 0;

	prefix_of(worker, prefix);
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
	return r;
}
