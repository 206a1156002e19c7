#include "metrics_foreign.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "metrics_text.h"
#include "text.h"

#define SERIES_MAX 2000
#define LABELS_MAX 400

struct foreign_series {
	char *name;   /* bp_leases, job_duration_seconds_sum */
	char *labels; /* state="lent"; "" */
	double value;
	size_t family; /* length of the family's part of the name */
};

/* The gateway's own families begin so. */
static const char *const taken[] = { "jobs_",
				     "http_",
				     "ws_",
				     "redis_",
				     "bp_up",
				     "postgres_",
				     "gateway_",
				     "pensum_",
				     "job_queue_latency_seconds",
				     "job_duration_seconds" };

static const struct {
	const char *name, *label; /* of a worker's counter; NULL: kind */
} labels_of[] = {
	{ "job_reclaimed_total", "reason" },
	{ "job_zombie_rejected_total", "op" },
};

static const struct {
	const char *name, *help;
} helps[] = {
	{ "job_reclaimed_total", "Attempts that were taken back from who ran them, by reason." },
	{ "job_zombie_rejected_total",
	  "Writes of workers that had lost their job, refused, by what they wanted." },
	{ "worker_slots", "Jobs that a worker program runs at one time." },
	{ "worker_silent_seconds", "Since a worker program was last heard of." },
	{ "bp_leases", "Leases that are lent or wait." },
	{ "bp_lease_end_total", "Leases that ended, by reason." },
	{ "bp_lease_seconds", "How long leases lasted." },
	{ "bp_queue_depth", "Requests that wait for a page, by class." },
	{ "bp_queue_wait_seconds", "How long leases had waited." },
	{ "bp_admission_denied_total", "Requests for a page that were refused, by reason." },
	{ "bp_browsers", "Browser processes, by state." },
	{ "bp_browser_restarts_total", "Browsers that were replaced or not needed, by reason." },
	{ "bp_pss_bytes", "Memory of the browsers' processes and the pool's, by what they are." },
	{ "bp_mem_available_bytes", "Memory that is left for pages." },
	{ "bp_mem_short", "1 while memory is too short for another page." },
	{ "bp_orphans_reaped_total", "Processes of an earlier pool that were still there." },
	{ "bp_page_processes_killed_total", "Processes that stayed when their page had gone." },
	{ "bp_cdp_denied_total", "Calls that the pool refused, by method." },
};

void foreign_done(struct foreign *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->series[i].name);
		free(all->series[i].labels);
	}
	free(all->series);
	*all = (struct foreign){ 0 };
}

/* name="value",name="value" with nothing unescaped in the values; *end: behind it. */
static bool labels_are_valid(const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end) {
		size_t name = strcspn(at, "=");

		if (!metrics_name_is_valid(at, name) || memchr(at, ':', name) != NULL ||
		    at[name] != '=' || at[name + 1] != '"')
			return false;
		for (at += name + 2; at < end && *at != '"'; at++)
			if ((unsigned char)*at < 0x20 ||
			    (*at == '\\' && (++at >= end || strchr("\\\"n", *at) == NULL)))
				return false;
		if (at >= end)
			return false;
		at++;
		if (at < end && (*at++ != ',' || at == end))
			return false;
	}
	return true;
}

static size_t family_len(const char *name, size_t len)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (len > suffix && memcmp(name + len - suffix, suffixes[i], suffix) == 0)
			return len - suffix;
	}
	return len;
}

static char *join_labels(const char *labels, size_t len, const char *worker)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	buf_add(&out, labels, len);
	if (worker != NULL) {
		buf_printf(&out, "%sworker=\"", len > 0 ? "," : "");
		for (; *worker != '\0'; worker++)
			buf_printf(&out, strchr("\\\"", *worker) != NULL ? "\\%c" : "%c", *worker);
		buf_add_char(&out, '"');
	}
	return mem_strdup(out.data);
}

static bool is_taken(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (text_starts_with(name, taken[i]))
			return true;
	return false;
}

static bool is_known(const struct foreign *all, const struct foreign_series *s)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->series[i].name, s->name) == 0 &&
		    strcmp(all->series[i].labels, s->labels) == 0)
			return true;
	return false;
}

void foreign_add(struct foreign *all, const char *series, double value, const char *worker)
{
	size_t len = strcspn(series, "{"), size = strlen(series);
	bool has_labels = series[len] == '{';
	size_t labels = has_labels && size > len + 1 ? size - len - 2 : 0;
	struct foreign_series s = { .value = value };

	if (all->count >= SERIES_MAX || labels > LABELS_MAX || is_taken(series) ||
	    !text_is_utf8(series, size) || !metrics_name_is_valid(series, len) ||
	    (has_labels && series[size - 1] != '}') ||
	    (has_labels && !labels_are_valid(series + len + 1, labels)))
		return;
	s.name = mem_strndup(series, len);
	s.labels = join_labels(series + len + has_labels, labels, worker);
	s.family = family_len(series, len);
	if (is_known(all, &s)) {
		free(s.name);
		free(s.labels);
		return;
	}
	if (all->count == all->cap) {
		all->cap = MAX(64, all->cap * 2);
		all->series = mem_realloc(all->series, all->cap * sizeof(s));
	}
	all->series[all->count++] = s;
}

/* {"label's value": number}; "" where the metric has no label. */
static void add_labelled(struct foreign *all, const char *name, json_t *values, const char *worker)
{
	const char *label = "kind", *text;
	json_t *value;

	for (size_t i = 0; i < ARRAY_LEN(labels_of); i++)
		if (strcmp(labels_of[i].name, name) == 0)
			label = labels_of[i].label;
	json_object_foreach (values, text, value) {
		CLEANUP_FREE char *series =
			text[0] == '\0' ? mem_strdup(name)
					: mem_printf("%s{%s=\"%s\"}", name, label, text);

		if (json_is_number(value))
			foreign_add(all, series, json_number_value(value), worker);
	}
}

void foreign_add_all(struct foreign *all, const json_t *object, const char *worker)
{
	json_t *value;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		if (json_is_number(value))
			foreign_add(all, name, json_number_value(value), worker);
		else if (json_is_object(value))
			add_labelled(all, name, value, worker);
	}
}

static bool same_family(const struct foreign_series *a, const struct foreign_series *b)
{
	return a->family == b->family && memcmp(a->name, b->name, a->family) == 0;
}

static const char *type_of(const struct foreign *all, const struct foreign_series *s)
{
	if (text_ends_with(s->name, "_total"))
		return "counter";
	if (s->name[s->family] == '\0')
		return "gauge";
	for (size_t i = 0; i < all->count; i++)
		if (same_family(&all->series[i], s) &&
		    text_ends_with(all->series[i].name, "_bucket"))
			return "histogram";
	return "summary";
}

static void write_family(const struct foreign *all, const struct foreign_series *first,
			 struct buf *out)
{
	CLEANUP_FREE char *family = mem_strndup(first->name, first->family);
	const char *help = "Counted by the daemon that its name begins with.";

	for (size_t i = 0; i < ARRAY_LEN(helps); i++)
		if (strcmp(helps[i].name, family) == 0)
			help = helps[i].help;
	metrics_family(out, family, type_of(all, first), help);
	for (const struct foreign_series *s = first; s < all->series + all->count; s++) {
		CLEANUP_FREE char *series = NULL;

		if (!same_family(first, s))
			continue;
		series = s->labels[0] == '\0' ? mem_strdup(s->name)
					      : mem_printf("%s{%s}", s->name, s->labels);
		metrics_sample(out, series, s->value, NULL);
	}
}

void foreign_write(const struct foreign *all, struct buf *out)
{
	for (size_t i = 0; i < all->count; i++) {
		bool is_first = true;

		for (size_t k = 0; k < i && is_first; k++)
			is_first = !same_family(&all->series[k], &all->series[i]);
		if (is_first)
			write_family(all, &all->series[i], out);
	}
}
