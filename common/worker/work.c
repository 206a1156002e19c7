#include "work.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "claim.h"
#include "daemon.h"
#include "failure.h"
#include "mem.h"
#include "text.h"

#define EVENT_EVERY_MS 200
#define STARTING_N     2 /* an attempt's first event, behind its claim */
#define LOOK_EVERY_MS  2000
#define STOP_GRACE_MS  5000

static void set_text(char *out, size_t size, const char *text)
{
	size_t len = text_cut_utf8(text, strlen(text), size - 1);

	memcpy(out, text, len);
	out[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			out[i] = ' ';
}

/* A crash of the database can take a claim back that is only moments old (claim.c), and
 * the attempt's number then belongs to somebody else's. More than that it starts is told of an attempt
 * only when that cannot happen any more, or what is told of the other one would seem old. */
static bool is_claim_kept(struct work *w)
{
	int kept;

	if (w->claim_kept || !deadline_is_over(w->next_keep))
		return w->claim_kept;
	w->next_keep = deadline_in(LOOK_EVERY_MS);
	kept = claim_keep(w->pg, w);
	w->claim_kept = kept > 0;
	w->lost = w->lost || kept == 0;
	return w->claim_kept;
}

static void send_event(struct work *w)
{
	w->next_event = deadline_in(EVENT_EVERY_MS);
	if (w->event.version.n >= STARTING_N && !is_claim_kept(w))
		return;
	w->event.version.n++;
	claim_post(w->redis, &w->event);
	redis_send(w->redis);
	w->event_unsent = false;
}

void work_progress(struct work *w, const char *step, int done, int total, const char *note)
{
	bool new_step = strcmp(w->event.step, step) != 0;

	set_text(w->event.step, sizeof(w->event.step), step);
	set_text(w->event.note, sizeof(w->event.note), note);
	w->event.done = done;
	w->event.total = total;
	w->event_unsent = true;
	if (new_step || deadline_is_over(w->next_event))
		send_event(w);
}

int work_fail(struct work *w, const char *code, const char *message)
{
	const struct failure *row = failure_find(code);

	set_text(w->failure_code, sizeof(w->failure_code), row->code);
	set_text(w->failure_message, sizeof(w->failure_message), message ? message : row->message);
	return -1;
}

struct work_memory {
	struct work_memory *next;
	void (*done)(void *);
	_Alignas(max_align_t) char bytes[];
};

void *work_alloc(struct work *w, size_t size, void (*done)(void *))
{
	struct work_memory *m = mem_zalloc(sizeof(*m) + size);

	m->done = done;
	m->next = w->memory;
	w->memory = m;
	return m->bytes;
}

void work_free_all(struct work *w)
{
	while (w->memory != NULL) {
		struct work_memory *m = w->memory;

		w->memory = m->next;
		if (m->done != NULL)
			m->done(m->bytes);
		free(m);
	}
}

void work_on_commit(struct work *w, work_commit_fn *commit, work_after_fn *after, void *arg)
{
	w->commit = commit;
	w->after = after;
	w->commit_arg = arg;
}

void work_keep(struct work *w, json_t *part, work_commit_fn *commit, work_after_fn *after,
	       void *arg)
{
	json_decref(w->next_part);
	w->next_part = part;
	work_on_commit(w, commit, after, arg);
}

/* Is the attempt still ours, and still wanted? A database that is away says nothing. */
static void look(struct work *w)
{
	bool cancel = false;
	int still = claim_is_still_ours(w->pg, w, &cancel);

	w->next_look = deadline_in(LOOK_EVERY_MS);
	if (still == 0)
		w->lost = true;
	if (cancel)
		w->cancelled = true;
}

struct deadline work_within(const struct work *w, int64_t ms)
{
	return deadline_min(w->deadline, deadline_in(ms));
}

int work_tick(void *work)
{
	struct work *w = work;

	if (w->event_unsent && deadline_is_over(w->next_event))
		send_event(w);
	if (deadline_is_over(w->next_look))
		look(w);
	if (daemon_stop_asked() && !w->stopping) {
		w->stopping = true;
		w->stop_at = deadline_in(STOP_GRACE_MS);
	}
	return w->lost || w->cancelled || (w->stopping && deadline_is_over(w->stop_at));
}

int work_open_secret_as(struct work *w, const char *what, struct buf *out)
{
	char context[64];
	struct error err;

	if (w->secret == NULL)
		return work_fail(w, "bad_input", "The password is no longer here: sign in again.");
	snprintf(context, sizeof(context), "%s %s", what, w->id);
	if (vault_unseal(w->vault, context, w->secret, out, &err) < 0)
		return work_fail(w, "bad_input",
				 "The password could not be opened: sign in again.");
	return 0;
}

int work_open_secret(struct work *w, struct buf *out)
{
	return work_open_secret_as(w, "password", out);
}
