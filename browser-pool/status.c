#include "status.h"

#include "clock.h"
#include "idle.h"
#include "mem.h"
#include "metrics.h"
#include "options.h"
#include "pool.h"
#include "usage.h"

static unsigned count_lent(const struct browser *b)
{
	struct context *c;
	unsigned n = 0;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_LENT], link)
		n++;
	return n;
}

/* {"last":n,"usual":n}, the latter as soon as it is known. */
static json_t *format_trend(const struct trend *t)
{
	if (t->values == 0)
		return NULL;
	return json_pack("{sI so*}", "last", (json_int_t)t->last, "usual",
			 t->values == TREND_FIRST ? json_integer(t->usual) : NULL);
}

static json_t *format_browser(const struct browser *b, int64_t now)
{
	json_t *left = b->state == BROWSER_DRAINING ? json_integer(browser_drain_left_ms(b)) : NULL;

	return json_pack("{si si ss ss si si si sI so* so* ss* so*}", "id", (int)b->id, "pid",
			 (int)b->pid, "state", browser_state_name(b->state), "version", b->version,
			 "leases", (int)count_lent(b), "contexts", (int)b->context_count, "served",
			 (int)b->served, "age_s", (json_int_t)(now - b->started_ms) / 1000,
			 "memory_mb", format_trend(&b->recycle.memory_mb), "page_ms",
			 format_trend(&b->recycle.latency_ms), "leaves_for",
			 recycle_reason_name(b->recycle.due), "drain_left_ms", left);
}

static json_t *format_browsers(const struct pool *p, int64_t now)
{
	json_t *list = json_array();
	struct browser *b;

	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		TAILQ_FOREACH (b, &p->browsers[state], link)
			json_array_append_new(list, format_browser(b, now));
	return list;
}

static json_t *format_contexts(const struct pool *p)
{
	json_t *counts = json_object();

	for (int state = 0; state < CONTEXT_STATE_COUNT; state++)
		json_object_set_new(counts, context_state_name((enum context_state)state),
				    json_integer(p->context_count[state]));
	return counts;
}

static json_t *format_leases(const struct pool *p, int64_t now)
{
	json_t *list = json_array();
	struct pool_lease *l;

	TAILQ_FOREACH (l, &p->lent, link)
		json_array_append_new(
			list, json_pack("{si ss ss si sI sI}", "id", (int)l->id, "tag",
					l->request.tag, "class", pool_class_name(l->request.cls),
					"browser", (int)l->context->browser->id, "age_ms",
					(json_int_t)(now - l->lent_ms), "ttl_left_ms",
					(json_int_t)(l->lent_ms + l->request.ttl_ms - now)));
	return list;
}

static json_t *format_waiting(const struct pool *p, int64_t now)
{
	json_t *list = json_array();
	CLEANUP_FREE struct pool_lease **order = waiting_in_order(p->waiting);

	for (unsigned i = 0; i < waiting_count(p->waiting); i++) {
		const struct pool_lease *l = order[i];

		json_array_append_new(
			list, json_pack("{si ss ss ss si sI}", "id", (int)l->id, "tag",
					l->request.tag, "client", l->tenant->name, "class",
					pool_class_name(l->request.cls), "position", (int)i + 1,
					"age_ms", (json_int_t)(now - l->asked_ms)));
	}
	return list;
}

static json_t *format_reasons(const uint64_t *counts)
{
	json_t *reasons = json_object();

	for (int i = 0; i < POOL_REASON_COUNT; i++)
		if (counts[i] > 0)
			json_object_set_new(reasons, pool_reason_name((enum pool_reason)i),
					    json_integer((json_int_t)counts[i]));
	return reasons;
}

static json_t *format_totals(const struct pool_totals *t)
{
	return json_pack("{sI sI so so sI sI sI}", "leased", (json_int_t)t->leased, "sticky",
			 (json_int_t)t->sticky, "ended", format_reasons(t->ended), "refused",
			 format_reasons(t->refused), "browser_starts",
			 (json_int_t)t->browser_starts, "contexts_made",
			 (json_int_t)t->contexts_made, "page_processes_killed",
			 (json_int_t)t->page_processes_killed);
}

static json_t *format_limits(const struct pool *p)
{
	const struct settings *s = p->settings;

	return json_pack("{sI sI sI s{sb sb sb} sI sI sI}", "max_browsers",
			 (json_int_t)p->caps.browsers, "max_pages", (json_int_t)p->caps.pages,
			 "page_memory_mb", (json_int_t)p->caps.page_mb, "automatic", "max_browsers",
			 (int)p->caps.browsers_automatic, "max_pages", (int)p->caps.pages_automatic,
			 "page_memory_mb", (int)p->caps.page_mb_automatic, "max_waiting",
			 (json_int_t)s->pool_max_waiting, "client_max_pages",
			 (json_int_t)s->pool_client_max_pages, "client_max_waiting",
			 (json_int_t)s->pool_client_max_waiting);
}

static int64_t total_pss(const struct pool *p)
{
	struct usage_bytes bytes = usage_get(p->usage);
	int64_t sum = bytes.daemon;

	for (int type = 0; type < PROCESS_TYPE_COUNT; type++)
		sum += bytes.of[type];
	return sum;
}

static json_t *format_memory(const struct pool *p)
{
	struct memory_state s = memory_state(p->memory);

	return json_pack("{sI sI sI sI sf sb sI}", "total_mb", (json_int_t)s.now.total_bytes >> 20,
			 "available_mb", (json_int_t)s.now.available_bytes >> 20, "reserved_mb",
			 (json_int_t)s.reserved_bytes >> 20, "floor_mb",
			 (json_int_t)s.floor_bytes >> 20, "pressure", s.now.pressure, "short",
			 (int)s.is_short, "pss_mb", (json_int_t)total_pss(p) >> 20);
}

json_t *status_format(const struct pool *p)
{
	int64_t now = clock_now_ms();

	return json_pack(
		"{ss sI sb sb sb si ss* si so so so so so so so so}", "version", pensum_version,
		"uptime_s", (json_int_t)(now - p->started_ms) / 1000, "paused", (int)p->paused,
		"asleep", (int)idle_is_asleep(p->idle), "stopping", (int)p->stopping,
		"start_failures", (int)p->start_failures, "start_failure",
		p->start_failures > 0 ? pool_reason_name(p->last_failure) : NULL,
		"next_start_in_ms", p->start_failures > 0 ? deadline_left_ms(p->next_start) : 0,
		"limits", format_limits(p), "memory", format_memory(p), "browsers",
		format_browsers(p, now), "contexts", format_contexts(p), "leases",
		format_leases(p, now), "waiting", format_waiting(p, now), "totals",
		format_totals(&p->totals), "metrics", metrics_format(p));
}
