#include "metrics.h"

#include <stdio.h>

#include "denied.h"
#include "pool.h"
#include "usage.h"

#define NAME_SIZE 128

static void put(json_t *root, const char *name, const char *label, const char *value,
		json_t *number)
{
	char series[NAME_SIZE];

	snprintf(series, sizeof(series), "%s{%s=\"%s\"}", name, label, value);
	json_object_set_new(root, series, number);
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void put_seconds(json_t *root, const char *name, int64_t sum_ms, uint64_t n)
{
	char series[NAME_SIZE];

	snprintf(series, sizeof(series), "%s_sum", name);
	json_object_set_new(root, series, json_real((double)sum_ms / 1000));
	snprintf(series, sizeof(series), "%s_count", name);
	json_object_set_new(root, series, count(n));
}

static void put_browsers(json_t *root, const struct pool *p)
{
	struct browser *b;

	for (int state = 0; state < BROWSER_STATE_COUNT; state++) {
		uint64_t n = 0;

		TAILQ_FOREACH (b, &p->browsers[state], link)
			n++;
		put(root, "bp_browsers", "state", browser_state_name((enum browser_state)state),
		    count(n));
	}
	put(root, "bp_browser_restarts_total", "reason", "gone", count(p->totals.browsers_gone));
	for (int why = RECYCLE_NONE + 1; why < RECYCLE_REASON_COUNT; why++)
		put(root, "bp_browser_restarts_total", "reason",
		    recycle_reason_name((enum recycle_reason)why),
		    count(p->totals.browsers_recycled[why]));
}

static void put_queue(json_t *root, const struct pool *p)
{
	for (int cls = 0; cls < POOL_CLASS_COUNT; cls++)
		put(root, "bp_queue_depth", "class", pool_class_name((enum pool_class)cls),
		    count(waiting_count_class(p->waiting, cls)));
	put_seconds(root, "bp_queue_wait_seconds", p->totals.waited_ms, p->totals.leased);
	for (int i = 0; i < POOL_REASON_COUNT; i++)
		if (i != POOL_REASON_CLIENT_GONE)
			put(root, "bp_admission_denied_total", "reason",
			    pool_reason_name((enum pool_reason)i), count(p->totals.refused[i]));
}

static void put_leases(json_t *root, const struct pool *p)
{
	uint64_t ended = 0;

	put(root, "bp_leases", "state", "lent", count(p->context_count[CONTEXT_LENT]));
	put(root, "bp_leases", "state", "waiting", count(waiting_count(p->waiting)));
	for (int i = 0; i < POOL_REASON_COUNT; i++) {
		ended += p->totals.ended[i];
		put(root, "bp_lease_end_total", "reason", pool_reason_name((enum pool_reason)i),
		    count(p->totals.ended[i]));
	}
	put_seconds(root, "bp_lease_seconds", p->totals.lasted_ms, ended);
}

static void put_denied(json_t *root, const struct denied *d)
{
	const char *name;

	for (unsigned i = 0; (name = denied_name(i)) != NULL; i++)
		if (d->counts[i] > 0 || denied_name(i + 1) == NULL)
			put(root, "bp_cdp_denied_total", "method", name, count(d->counts[i]));
}

static void put_memory(json_t *root, const struct pool *p)
{
	struct memory_state state = memory_state(p->memory);
	struct usage_bytes bytes = usage_get(p->usage);

	for (int type = 0; type < PROCESS_TYPE_COUNT; type++)
		put(root, "bp_pss_bytes", "proc", process_type_name((enum process_type)type),
		    json_integer(bytes.of[type]));
	put(root, "bp_pss_bytes", "proc", "daemon", json_integer(bytes.daemon));
	if (state.known)
		json_object_set_new(root, "bp_mem_available_bytes",
				    json_integer(state.now.available_bytes));
	json_object_set_new(root, "bp_mem_short", json_integer(state.is_short));
}

json_t *metrics_format(const struct pool *p)
{
	json_t *root = json_object();

	put_leases(root, p);
	put_queue(root, p);
	put_browsers(root, p);
	put_denied(root, &p->denied);
	json_object_set_new(root, "bp_orphans_reaped_total", count(rundir_orphans(p->rundir)));
	json_object_set_new(root, "bp_page_processes_killed_total",
			    count(p->totals.page_processes_killed));
	put_memory(root, p);
	return root;
}
