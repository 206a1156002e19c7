/*
 * metrics_foreign.h - series that other daemons counted, brought into families.
 *
 *	struct foreign all = { 0 };
 *	foreign_add(&all, "bp_leases{state=\"lent\"}", 3, NULL);
 *	foreign_add_all(&all, json, "host:checker");	adds worker="host:checker" to each
 *	foreign_write(&all, &out);			HELP and TYPE once for each family
 *	foreign_done(&all);
 *
 * They come as {"name{label=\"value\"}": number}, or {"name": {"label's value": number}}. What is
 * no such series is left out: an answer of another daemon never makes ours unreadable. The type
 * follows from the name: *_total counts, *_sum and *_count with the same beginning are a summary
 * (with *_bucket: a histogram), all else is a gauge. The help comes from a table here.
 */
#pragma once

#include <jansson.h>

#include "buf.h"

struct foreign_series;

struct foreign {
	struct foreign_series *series; /* in the order in which they came */
	size_t count, cap;
};

void foreign_done(struct foreign *all);
void foreign_add(struct foreign *all, const char *series, double value, const char *worker);
void foreign_add_all(struct foreign *all, const json_t *object, const char *worker);
void foreign_write(const struct foreign *all, struct buf *out);
