/*
 * status.h - the pool's state as one JSON object, for people, tests and metrics.
 *
 *	{"version","uptime_s","paused","asleep" (no browser until somebody asks),"stopping",
 *	 "start_failures" (in a row),"next_start_in_ms" (0: as soon as one is needed),
 *	 "limits":{"max_pages",… (as in force), "automatic":{"max_pages",…} (bool)},
 *	 "memory":{"total_mb","available_mb","reserved_mb","floor_mb","pressure","short","pss_mb"},
 *	 "browsers":[{"id","pid","state","version","leases","contexts","served","age_s"}],
 *	 "contexts":{state:n},
 *	 "leases":[{"id","tag","class","browser","age_ms","ttl_left_ms"}],
 *	 "waiting":[{"id","tag","client","class","position","age_ms"}],
 *	 "totals":{"leased","sticky","ended":{reason:n},"refused":{reason:n},"browser_starts",
 *	 "contexts_made"},"metrics":{…} (metrics.h)}
 */
#pragma once

#include <jansson.h>

struct pool;

json_t *status_format(const struct pool *p); /* a new reference */
