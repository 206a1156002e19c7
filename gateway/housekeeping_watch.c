#include "housekeeping_watch.h"

#include <stdbool.h>

#include "mem.h"

struct worker {
	char *name, *boot;
	int64_t beat, silent_ms;
	bool is_seen, is_released;
};

struct watch {
	struct worker *workers;
	size_t count;
	int64_t looked_at_ms; /* 0: never */
	int64_t gap_ms;	      /* what this look adds to a silence */
};

struct watch *watch_new(void)
{
	return mem_zalloc(sizeof(struct watch));
}

static void worker_done(struct worker *worker)
{
	free(worker->name);
	free(worker->boot);
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->count; i++)
		worker_done(&w->workers[i]);
	free(w->workers);
	free(w);
}

static struct worker *find(const struct watch *w, const char *name)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->workers[i].name, name) == 0)
			return &w->workers[i];
	return NULL;
}

void watch_begin(struct watch *w, int64_t now_ms)
{
	int64_t gap_ms = now_ms - w->looked_at_ms;

	w->gap_ms = gap_ms <= WATCH_GAP_MS ? gap_ms : 0;
	w->looked_at_ms = now_ms;
	for (size_t i = 0; i < w->count; i++) {
		w->workers[i].is_seen = false;
		if (w->gap_ms == 0)
			w->workers[i].silent_ms = 0;
	}
}

static void heard(struct worker *worker, const char *boot, int64_t beat)
{
	free(worker->boot);
	worker->boot = mem_strdup(boot);
	worker->beat = beat;
	worker->silent_ms = 0;
	worker->is_released = false;
}

void watch_row(struct watch *w, const char *name, const char *boot, int64_t beat)
{
	struct worker *worker = find(w, name);

	if (worker == NULL) {
		w->workers = mem_realloc(w->workers, (w->count + 1) * sizeof(w->workers[0]));
		worker = &w->workers[w->count++];
		*worker = (struct worker){ .name = mem_strdup(name) };
		heard(worker, boot, beat);
	} else if (worker->beat != beat || strcmp(worker->boot, boot) != 0) {
		heard(worker, boot, beat);
	} else {
		worker->silent_ms += w->gap_ms;
	}
	worker->is_seen = true;
}

json_t *watch_end(struct watch *w)
{
	json_t *silent = json_array();
	size_t kept = 0;

	for (size_t i = 0; i < w->count; i++) {
		struct worker *worker = &w->workers[i];

		if (!worker->is_seen) {
			worker_done(worker);
			continue;
		}
		if (worker->silent_ms >= WATCH_SILENCE_MS && !worker->is_released)
			json_array_append_new(silent, json_string(worker->name));
		w->workers[kept++] = *worker;
	}
	w->count = kept;
	return silent;
}

void watch_mark_released(struct watch *w, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		struct worker *worker = find(w, json_string_value(name));

		if (worker != NULL)
			worker->is_released = true;
	}
}
