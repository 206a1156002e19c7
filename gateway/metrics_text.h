/*
 * metrics_text.h - Prometheus's text format 0.0.4, written.
 *
 *	metrics_family(&out, "jobs_running", "gauge", "Jobs that workers have claimed.");
 *	metrics_sample(&out, "jobs_running", 7, NULL);
 *	metrics_sample(&out, "jobs_waiting", 3, "queue", "checker", NULL);
 *
 * A family's samples follow its head at once, and a family is begun once: that is the caller's
 * part. Label values and help are escaped here; names are ours or were checked with
 * metrics_name_is_valid().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void metrics_family(struct buf *out, const char *name, const char *type, const char *help);
/* labels: pairs of name and value, then NULL. Empty values leave their label out. */
void metrics_sample(struct buf *out, const char *name, double value, ...) __attribute__((sentinel));

/* How often something took up to bounds[i] seconds; the last count has no bound. */
struct histogram {
	const double *bounds; /* ascending */
	size_t bound_count;
	uint64_t *counts; /* bound_count + 1 of them, not cumulative */
	double sum;
};
void histogram_add(struct histogram *h, double value);
/* One labelled histogram of the open family. label NULL: no label. */
void metrics_histogram(struct buf *out, const char *name, const struct histogram *h,
		       const char *label, const char *value);

bool metrics_name_is_valid(const char *name, size_t len);
