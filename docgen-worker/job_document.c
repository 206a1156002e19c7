#include "job_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assignment.h"
#include "document.h"
#include "docx.h"
#include "log.h"
#include "mem.h"
#include "moodle.h"
#include "script_assignment.h"
#include "store.h"
#include "template.h"

#define OBJECT_KEY_SIZE 96

/* What the job's row asks for; borrowed from the input. */
struct order {
	json_int_t cmid;
	const char *title, *course;
	struct template_student student;
	long long requests, bytes; /* what reading its page cost */
};

/* What is kept about the file. */
struct draft {
	char id[ID_LEN + 1];
	char object[OBJECT_KEY_SIZE];
	char hash[VAULT_HASH_HEX];
	char cmid[24], bytes[24];
	char *title, *course, *file_name;
};

static void draft_done(void *draft)
{
	struct draft *d = draft;

	free(d->title);
	free(d->course);
	free(d->file_name);
}

static int read_order(struct work *w, struct order *o)
{
	const char *format = json_string_value(json_object_get(w->input, "format"));
	const char *kind = json_string_value(json_object_get(w->input, "draft"));
	json_t *student = json_object_get(w->input, "student");

	o->cmid = json_integer_value(json_object_get(w->input, "cmid"));
	o->title = json_string_value(json_object_get(w->input, "title"));
	o->course = json_string_value(
		json_object_get(json_object_get(w->input, "course"), "name"));
	o->student.name = json_string_value(json_object_get(student, "name"));
	o->student.roll = json_string_value(json_object_get(student, "roll"));
	if (o->cmid <= 0 || format == NULL || strcmp(format, "docx") != 0 || kind == NULL ||
	    strcmp(kind, "template") != 0)
		return work_fail(w, "bad_input", NULL);
	return 0;
}

static int read_assignment(struct work *w, struct order *o, struct assignment *a)
{
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	json_t *args = json_pack("{s:I, s:s*, s:s*}", "cmid", o->cmid, "title", o->title,
				 "course_name", o->course);
	json_t *due = json_object_get(w->input, "due"), *answer;
	struct error err;
	int e;

	if (json_is_integer(due))
		json_object_set(args, "due", due);
	if (moodle_open_signed_in(w, POOL_DOCUMENT, &m) < 0) {
		json_decref(args);
		return -1;
	}
	work_progress(w, "reading the assignment", 0, 0, o->title ? o->title : "");
	if (moodle_run(w, &m, script_assignment, args, false, &answer) < 0)
		return -1;
	o->requests = m.requests;
	o->bytes = m.bytes;
	e = assignment_parse(answer, a, &err);
	json_decref(answer);
	if (e < 0) {
		log_warning("assignment refused", "err=\"%s\"", err.text);
		return work_fail(w, "not_understood", NULL);
	}
	return 0;
}

/* Equal documents of one student have equal hashes: the words, the template's version, the format. */
static void hash_content(const struct document *doc, char out[VAULT_HASH_HEX])
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	buf_printf(&text, "docx template %d\n", TEMPLATE_VERSION);
	document_canonical(doc, &text);
	vault_hash(text.data, text.len, out);
}

/* Whether the file is there: somebody may have lost it behind our back. */
static bool has_file(struct work *w, const char *object)
{
	struct store *store;
	struct error err;
	uint64_t size;
	int fd = -1, e = store_open(w->settings, &store, &err);

	if (e == 0) {
		e = store_open_object(store, object, &fd, &size, &err);
		store_free(store);
	}
	if (e < 0) {
		log_warning("a kept document has no file", "err=\"%s\"", err.text);
		return false;
	}
	close(fd);
	return true;
}

static int find_kept(struct work *w, const char *hash, json_t **ret)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	const char *params[] = { w->user_id, hash };
	struct error err;

	if (pg_exec(w->pg,
		    "SELECT id, file_name, bytes, object FROM pensum.documents WHERE user_id = $1 "
		    "AND content_hash = $2 AND expires_at > now() + interval '1 minute' "
		    "ORDER BY expires_at DESC LIMIT 1",
		    2, params, &r, &err) < 0) {
		log_warning("kept documents not known", "err=\"%s\"", err.text);
		return work_fail(w, "database_lost", NULL);
	}
	if (pg_rows(r) == 1 && has_file(w, pg_value(r, 0, 3)))
		*ret = json_pack("{s:s, s:s, s:I, s:b}", "id", pg_value(r, 0, 0), "file_name",
				 pg_value(r, 0, 1), "bytes", (json_int_t)atoll(pg_value(r, 0, 2)),
				 "reused", 1);
	return 0;
}

static int put_file(struct work *w, const struct buf *file, struct draft *d)
{
	struct store *store;
	struct error err;
	int e = store_open(w->settings, &store, &err);

	snprintf(d->object, sizeof(d->object), "%s/%s.docx", w->user_id, d->id);
	if (e == 0) {
		e = store_put(store, d->object, file->data, file->len, &err);
		store_free(store);
	}
	if (e < 0) {
		log_error("document not stored", "err=\"%s\"", err.text);
		return work_fail(w, "store_failed", NULL);
	}
	return 0;
}

static int write_draft(struct work *w, const struct order *o, const struct document *doc,
		       struct draft *d)
{
	CLEANUP(buf_done) struct buf file = BUF_INIT;

	work_progress(w, "writing the document", 0, 0, doc->title);
	docx_write(doc, clock_wall_ms() / 1000, &file);
	vault_new_id(d->id);
	d->title = mem_strdup(doc->title);
	d->course = mem_strdup(doc->course);
	d->file_name = docx_file_name(doc->course, doc->title);
	snprintf(d->cmid, sizeof(d->cmid), "%lld", (long long)o->cmid);
	snprintf(d->bytes, sizeof(d->bytes), "%zu", file.len);
	work_progress(w, "storing the document", 0, 0, doc->title);
	return put_file(w, &file, d);
}

/*
 * The file is there before its row; an attempt that is lost in between leaves a file without a row,
 * which no link reaches.
 */
static int commit(struct work *w, void *arg, struct error *err)
{
	const struct draft *d = arg;
	char ttl[24];
	const char *params[] = { d->id,	    w->user_id, w->id,	 d->cmid, d->title, d->course,
				 d->file_name, d->object,  d->bytes, d->hash, ttl };

	snprintf(ttl, sizeof(ttl), "%lld", (long long)w->settings->documents_ttl_s);
	return pg_exec(
		w->pg,
		"INSERT INTO pensum.documents (id, user_id, job_id, cmid, title, course_name, "
		"file_name, format, object, bytes, content_hash, expires_at) VALUES ($1, $2, "
		"$3, $4::bigint, $5, $6, $7, 'docx', $8, $9::bigint, $10, "
		"now() + $11::bigint * interval '1 second')",
		11, params, NULL, err);
}

static int make_draft(struct work *w, const struct order *o, const struct document *doc)
{
	struct draft *d = work_alloc(w, sizeof(*d), draft_done);
	json_t *about = NULL;

	hash_content(doc, d->hash);
	if (find_kept(w, d->hash, &about) < 0)
		return -1;
	if (about == NULL) {
		if (write_draft(w, o, doc, d) < 0)
			return -1;
		work_on_commit(w, commit, NULL, d);
		about = json_pack("{s:s, s:s, s:I, s:b}", "id", d->id, "file_name", d->file_name,
				  "bytes", (json_int_t)atoll(d->bytes), "reused", 0);
	}
	w->result = json_pack("{s:o, s:I, s:I}", "document", about, "requests",
			      (json_int_t)o->requests, "bytes", (json_int_t)o->bytes);
	return 0;
}

int job_document(struct work *w)
{
	struct order o = { 0 };
	struct assignment a = { 0 };
	struct document doc = { 0 };
	int e;

	if (read_order(w, &o) < 0 || read_assignment(w, &o, &a) < 0)
		return -1;
	template_fill(&a, &o.student, &doc);
	e = make_draft(w, &o, &doc);
	document_done(&doc);
	assignment_done(&a);
	return e;
}
