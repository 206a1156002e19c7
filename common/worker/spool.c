#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "end.h"
#include "fd.h"
#include "file.h"
#include "mem.h"

#define FILES_MAX 1000

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
void spool_prefix(const char *worker, char out[SPOOL_NAME_SIZE])
{
	const char *colon = strchr(worker, ':');

	snprintf(out, SPOOL_NAME_SIZE, "%s:", colon != NULL ? colon + 1 : worker);
}

static void note_statement(void *arg, const char *sql, size_t count, const char *const *params)
{
	json_t *statement = json_array();

	json_array_append_new(statement, json_string(sql));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(statement, params[i] ? json_string(params[i]) : json_null());
	json_array_append_new(arg, statement);
}

/* What the finishing transaction would say of the kind's own rows; NULL: it cannot be kept. */
static json_t *record_rows(struct work *w, enum job_state end, struct error *err)
{
	json_t *statements = json_array();
	int e = 0;

	pg_record(w->pg, note_statement, statements);
	if (w->commit != NULL)
		e = w->commit(w, w->commit_arg, err);
	if (e == 0 && end == JOB_WAITING)
		e = end_keep_part(w, NULL, err);
	pg_record(w->pg, NULL, NULL);
	if (e < 0) {
		json_decref(statements);
		return NULL;
	}
	return statements;
}

static json_t *describe_success(struct work *w, struct error *err)
{
	CLEANUP_FREE char *result = w->result ? json_dumps(w->result, JSON_COMPACT) : NULL;
	json_t *rows = record_rows(w, JOB_SUCCEEDED, err);

	return rows ? json_pack("{s:s?, s:o}", "result", result, "statements", rows) : NULL;
}

/* Of what failed for good no part is kept, as without a spool. */
static json_t *describe_failure(struct work *w, enum job_state end, struct error *err)
{
	bool leaves = end == JOB_WAITING && w->next_part != NULL;
	json_t *rows = leaves ? record_rows(w, end, err) : json_array();

	return rows ? json_pack("{s:s, s:s, s:s?, s:o}", "code", w->failure_code, "message",
				w->failure_message, "secret", w->next_secret, "statements", rows)
		    : NULL;
}

static json_t *describe(struct work *w, enum job_state end, struct error *err)
{
	json_t *record =
		end == JOB_SUCCEEDED ? describe_success(w, err) : describe_failure(w, end, err);
	json_t *whose = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "end", job_state_name(end),
				  "worker", w->worker, "job", w->id, "attempt", w->attempt, "n",
				  w->event.version.n + 1, "user", w->user_id);

	if (record != NULL)
		json_object_update(record, whose);
	json_decref(whose);
	return record;
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

int spool_save(const struct spool *sp, struct work *w, enum job_state end, struct error *err)
{
	CLEANUP(buf_done) struct buf sealed = BUF_INIT;
	json_t *record = describe(w, end, err);
	char prefix[SPOOL_NAME_SIZE], name[SPOOL_NAME_SIZE], *text;
	int r;

	if (record == NULL)
		return err->code < 0 ? err->code : error_set(err, -EBADMSG, "not JSON");
	spool_prefix(w->worker, prefix);
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
