#include "live_snapshot.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "failure.h"
#include "keys.h"
#include "mem.h"
#include "text.h"

#define READ_MS 4000

struct reading;

/* One job's Redis hash on its way. */
struct hash {
	struct reading *reading;
	struct job_event ev;
	bool found;
};

struct reading {
	size_t left; /* answers that are still to come */
	bool ok;
	snapshot_fn *fn;
	void *arg;
	size_t count;
	struct job_snapshot snapshots[SNAPSHOT_MAX];
	struct hash hashes[SNAPSHOT_MAX];
};

static void merge(struct reading *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct job_snapshot *s = &r->snapshots[i];
		const struct hash *h = &r->hashes[i];

		if (s->found && h->found && strcmp(h->ev.job, s->ev.job) == 0 &&
		    job_version_compare(h->ev.version, s->ev.version) > 0)
			s->ev = h->ev;
	}
}

static void one_less(struct reading *r)
{
	if (--r->left > 0)
		return;
	merge(r);
	r->fn(r->ok, r->snapshots, r->count, r->arg);
	free(r);
}

static void on_hash(const struct redis_reply *reply, void *arg)
{
	struct hash *h = arg;
	bool good = redis_count(reply) > 0;

	job_event_init(&h->ev);
	for (size_t i = 0; good && i + 1 < redis_count(reply); i += 2) {
		size_t len = 0;
		const char *name = redis_text(redis_at(reply, i), NULL);
		const char *value = redis_text(redis_at(reply, i + 1), &len);

		good = name != NULL && value != NULL &&
		       job_event_set_field(&h->ev, name, value, len) == 0;
	}
	h->found = good && job_event_check(&h->ev) == 0;
	one_less(h->reading);
}

static void read_hash(struct gateway *g, struct reading *r, size_t i)
{
	char key[KEY_SIZE];
	const char *argv[] = { "HGETALL", key };

	r->hashes[i].reading = r;
	key_job(key, r->snapshots[i].ev.job);
	if (redisloop_command(g->redis, 0, ARRAY_LEN(argv), argv, on_hash, &r->hashes[i],
			      NULL) < 0)
		return;
	r->left++;
}

static int number_of(const char *text)
{
	int64_t number = 0;

	text_parse_i64(text, 0, INT32_MAX, &number, NULL);
	return (int)number;
}

static void set_cut(char *out, size_t size, const char *text)
{
	size_t len = text_cut_utf8(text, strlen(text), size - 1);

	memcpy(out, text, len);
	out[len] = '\0';
}

/* id, user_id, session_hash, kind, state, version_attempt, version_n, code, message, done, total */
static void read_row(struct job_snapshot *s, const struct pgloop_result *rows, size_t row)
{
	const char *session_hash = pgloop_value(rows, row, 2);
	const char *code = pgloop_value(rows, row, 7);
	const char *message = pgloop_value(rows, row, 8);
	int kind = job_kind_parse(pgloop_value(rows, row, 3));
	int state = job_state_parse(pgloop_value(rows, row, 4));

	if (kind < 0 || state < 0)
		return; /* a newer schema's job: not ours to show */
	s->found = true;
	s->kind = (enum job_kind)kind;
	set_cut(s->user_id, sizeof(s->user_id), pgloop_value(rows, row, 1));
	set_cut(s->session_hash, sizeof(s->session_hash), session_hash != NULL ? session_hash : "");
	s->ev.state = (enum job_state)state;
	s->ev.version.attempt = number_of(pgloop_value(rows, row, 5));
	s->ev.version.n = number_of(pgloop_value(rows, row, 6));
	s->ev.done = number_of(pgloop_value(rows, row, 9));
	s->ev.total = number_of(pgloop_value(rows, row, 10));
	if (code == NULL)
		return;
	set_cut(s->ev.step, sizeof(s->ev.step), code);
	set_cut(s->ev.note, sizeof(s->ev.note),
		message != NULL ? message : failure_find(code)->message);
}

static void on_rows(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct reading *r = arg;

	(void)err; /* the hub tries again, and its owner logs that PostgreSQL is away */
	r->ok = rows != NULL;
	for (size_t row = 0; rows != NULL && row < pgloop_rows(rows); row++)
		for (size_t i = 0; i < r->count; i++)
			if (strcmp(pgloop_value(rows, row, 0), r->snapshots[i].ev.job) == 0)
				read_row(&r->snapshots[i], rows, row);
	one_less(r);
}

int snapshot_read(struct gateway *g, const char *const *ids, size_t count, snapshot_fn *fn,
		  void *arg, struct error *err)
{
	static const char sql[] =
		"SELECT id, user_id, session_hash, kind, state, version_attempt, version_n, "
		"failure_code, failure_message, done, total FROM pensum.job_events WHERE id = ANY($1::text[])";
	CLEANUP(buf_done) struct buf list = BUF_INIT;
	struct reading *r = mem_zalloc(sizeof(*r));
	const char *param;
	int e;

	assert(count > 0 && count <= SNAPSHOT_MAX);
	r->fn = fn;
	r->arg = arg;
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(r->snapshots[i].ev.job, sizeof(r->snapshots[i].ev.job), "%s", ids[i]);
		buf_printf(&list, "%c%s", i == 0 ? '{' : ',', ids[i]); /* hex: needs no quotes */
	}
	buf_add_char(&list, '}');
	param = list.data;
	e = pgloop_query(g->pg, READ_MS, sql, 1, &param, on_rows, r, err);
	if (e < 0) {
		free(r);
		return e;
	}
	r->left = 1;
	for (size_t i = 0; i < count; i++)
		read_hash(g, r, i);
	return 0;
}
