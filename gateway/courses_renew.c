#include "courses_renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "feeder.h"
#include "hub.h"
#include "log.h"
#include "mem.h"
#include "ring.h"

#define QUERY_MS 5000
#define NEVER_S	 (INT64_C(1) << 40)

struct renewal {
	struct gateway *g;
	char job_id[ID_LEN + 1];
	char user_id[VAULT_USER_ID];
};

int64_t courses_fresh_s(const struct settings *s)
{
	return s->cache_courses_fresh_s > 0 ? s->cache_courses_fresh_s : NEVER_S;
}

static void announce(const struct renewal *n, bool rung)
{
	hub_job_created(n->g->hub, n->job_id, n->user_id, NULL);
	if (rung)
		ring_job(n->g, JOB_QUEUE_CHECKER, JOB_LOW, n->job_id, 0);
	else
		feeder_kick(n->g->feeder);
}

static void got_outcome(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct renewal *n = arg;
	const char *outcome = rows && pgloop_rows(rows) == 1 ? pgloop_value(rows, 0, 0) : "";

	if (rows == NULL && err->code == -EPROTO)
		log_error("course list not renewed", "why=\"%s\"", err->text);
	if (strcmp(outcome, "rung") == 0 || strcmp(outcome, "created") == 0)
		announce(n, strcmp(outcome, "rung") == 0);
	free(n);
}

void courses_renew(struct gateway *g, const char *user_id, const char *site)
{
	struct renewal *n = mem_zalloc(sizeof(*n));
	char fresh[24], limit[24], attempts[24], running[24];
	const char *params[] = { user_id, n->job_id, site, fresh, limit, attempts, running };

	n->g = g;
	vault_new_id(n->job_id);
	snprintf(n->user_id, sizeof(n->user_id), "%s", user_id);
	snprintf(fresh, sizeof(fresh), "%lld", (long long)courses_fresh_s(g->settings));
	snprintf(limit, sizeof(limit), "%lld", (long long)g->settings->jobs_per_user);
	snprintf(attempts, sizeof(attempts), "%lld", (long long)g->settings->jobs_max_attempts);
	snprintf(running, sizeof(running), "%lld", (long long)g->settings->jobs_per_user_running);
	if (pgloop_query(g->pg, QUERY_MS,
			 "SELECT outcome FROM pensum.courses_renew($1, $2, $3, $4::bigint, "
			 "$5::integer, $6::integer, $7::integer)",
			 ARRAY_LEN(params), params, got_outcome, n, NULL) < 0)
		free(n);
}
