#include "migrate.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "daemon.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "pg.h"
#include "text.h"
#include "vault.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define AGAIN_MS       3000 /* between two tries to get a lock: the others' turn */
#define TRIES_MS       60000
#define PATIENCE_MS    3602000 /* statement_timeout below, and the way */

struct migration {
	const char *name;
	struct buf text;
	char hash[VAULT_HASH_HEX];
};

static void migration_done(struct migration *m)
{
	buf_done(&m->text);
}

static int is_sql(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".sql");
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load(const char *folder, struct migration *m, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", folder, m->name);
	int e = file_read(path, FILE_MAX_BYTES, &m->text, err);

	if (e == 0)
		vault_hash(m->text.data, m->text.len, m->hash);
	return e;
}

/* Two programs that migrate at the same time: one waits for the other's transaction. Neither has the limits
 * of what somebody waits for: a file that takes longer would never be done, however often it was begun. */
static int begin_alone(struct pg *pg, struct error *err)
{
	int e = pg_begin(pg, err);

	if (e == 0)
		e = pg_script(pg, "SET LOCAL statement_timeout = '1h'", err);
	if (e == 0)
		e = pg_exec(pg,
			    "SELECT pg_advisory_xact_lock(hashtextextended('pensum.migrate', 0))",
			    0, NULL, NULL, err);
	return e;
}

static int end(struct pg *pg, int e, struct error *err)
{
	if (e == 0)
		return pg_commit(pg, err);
	pg_rollback(pg);
	return e;
}

/* CREATE SCHEMA IF NOT EXISTS asks for the right to create one even when there is nothing to do. */
static int make_place(struct pg *pg, struct error *err)
{
	return pg_script(pg,
			 "DO $$ BEGIN\n"
			 "IF to_regnamespace('pensum') IS NULL THEN CREATE SCHEMA pensum; END IF;\n"
			 "IF to_regclass('pensum.migrations') IS NULL THEN\n"
			 "CREATE TABLE pensum.migrations (name text PRIMARY KEY, "
			 "sha256 text NOT NULL, "
			 "applied_at timestamptz NOT NULL DEFAULT now());\n"
			 "END IF; END $$",
			 err);
}

/* 1: applied before, as it is; 0: not yet. */
static int is_applied(struct pg *pg, const struct migration *m, struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *rows = NULL;
	const char *params[] = { m->name };
	int e = pg_exec(pg, "SELECT sha256 FROM pensum.migrations WHERE name = $1", 1, params,
			&rows, err);

	if (e < 0 || pg_rows(rows) == 0)
		return e;
	if (strcmp(pg_value(rows, 0, 0), m->hash) == 0)
		return 1;
	return error_set(err, -EEXIST,
			 "%s was changed after this database had applied it; put it back as it "
			 "was, and write the change as a new file",
			 m->name);
}

/* Behind one who waits to change a table waits everybody who only wants to use it, however long the
 * reader reads (a dump, a report) that keeps him waiting: a second, then it is their turn. */
static int apply(struct pg *pg, const struct migration *m, struct error *err)
{
	const char *params[] = { m->name, m->hash };
	int e = pg_script(pg, "SET LOCAL lock_timeout = '1s'", err);

	daemon_notify("EXTEND_TIMEOUT_USEC=%lld", PATIENCE_MS * 1000LL); /* of our start */
	if (e == 0)
		e = pg_script(pg, m->text.data, err);
	if (e == 0)
		e = pg_exec(pg, "INSERT INTO pensum.migrations (name, sha256) VALUES ($1, $2)", 2,
			    params, NULL, err);
	if (e < 0)
		error_prefix(err, "%s", m->name);
	return e;
}

/* *applied: before, so that there was nothing to do. */
static int try_once(struct pg *pg, const struct migration *m, bool *applied, struct error *err)
{
	int e = begin_alone(pg, err);

	if (e < 0)
		return e;
	e = make_place(pg, err);
	if (e == 0)
		e = is_applied(pg, m, err);
	*applied = e > 0;
	if (e == 0)
		e = apply(pg, m, err);
	return end(pg, MIN(e, 0), err);
}

static int try_for_a_while(struct pg *pg, const struct migration *m, bool *applied,
			   struct error *err)
{
	struct deadline last = deadline_in(TRIES_MS);
	int e = try_once(pg, m, applied, err);

	if (e == -ENOLCK)
		log_warning("migration waits for its turn", "reason=\"%s\"", err->text);
	while (e == -ENOLCK && !deadline_is_over(last)) {
		clock_sleep_ms(AGAIN_MS);
		e = try_once(pg, m, applied, err);
	}
	return e;
}

static int migrate_file(struct pg *pg, const char *folder, const char *name, struct error *err)
{
	CLEANUP(migration_done) struct migration m = { .name = name, .text = BUF_INIT };
	bool applied = false;
	int e = load(folder, &m, err);

	if (e == 0)
		e = try_for_a_while(pg, &m, &applied, err);
	if (e == 0)
		printf("%s: %s\n", name, applied ? "applied before" : "applied");
	return e;
}

static int migrate_folder(struct pg *pg, const char *folder, struct error *err)
{
	struct dirent **files;
	int count = scandir(folder, &files, is_sql, by_name);
	int e = 0;

	if (count < 0)
		return error_set(err, -errno, "cannot read gateway.sql_dir %s: %s", folder,
				 strerror(errno));
	if (count == 0)
		e = error_set(err, -ENOENT, "no .sql files in gateway.sql_dir %s", folder);
	for (int i = 0; i < count; i++) {
		if (e == 0)
			e = migrate_file(pg, folder, files[i]->d_name, err);
		free(files[i]);
	}
	free(files);
	return e;
}

int migrate_run(const struct settings *s, struct error *err)
{
	struct pg *pg;
	int e = pg_new(s, "pensum-migrate", &pg, err);

	if (e < 0)
		return e;
	pg_set_patience(pg, PATIENCE_MS);
	e = migrate_folder(pg, s->gateway_sql_dir, err);
	pg_free(pg);
	return e;
}
