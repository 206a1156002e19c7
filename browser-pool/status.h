/*
 * status.h - the pool's state as one JSON object, for people, tests and metrics.
 *
 *	{"version","stopping","browsers":[{"id","pid","state","version","leases","contexts",
 *	 "served","age_s"}],"contexts":{state:n},"leases":[{"id","tag","class","browser","age_ms",
 *	 "ttl_left_ms"}],
 *	 "waiting":[{"id","tag","class","position","age_ms"}],
 *	 "totals":{"leased","ended":{reason:n},"refused":{reason:n},"browser_starts",
 *	 "contexts_made"}}
 */
#pragma once

#include <jansson.h>

struct pool;

json_t *status_format(const struct pool *p); /* a new reference */
