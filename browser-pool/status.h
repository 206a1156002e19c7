/*
 * status.h - the pool's state as one JSON object, for people, tests and metrics.
 *
 *	{"version","uptime_s","paused","asleep" (no browser until somebody asks),"stopping",
 *	 "start_failures" (in a row),"start_failure" (why, while there are some),
 *	 "next_start_in_ms" (0: as soon as one is needed),
 *	 "limits":{"max_pages",… (as in force), "automatic":{"max_pages",…} (bool)},
 *	 "memory":{"total_mb","available_mb","reserved_mb","floor_mb","pressure","short","pss_mb"},
 *	 "browsers":[{"id","pid","state","version","leases","contexts","served","age_s",
 *	  "memory_mb","page_ms" ({"last","usual"}: trend.h),"leaves_for","drain_left_ms"}],
 *	 "contexts":{state:n},
 *	 "leases":[{"id","tag","class","browser","age_ms","ttl_left_ms"}],
 *	 "waiting":[{"id","tag","client","class","position","age_ms"}],
 *	 "totals":{"leased","sticky","ended":{reason:n},"refused":{reason:n},"browser_starts",
 *	 "contexts_made","page_processes_killed"},"metrics":{…} (metrics.h)}
 */
#pragma once

#include <jansson.h>

struct pool;

json_t *status_format(const struct pool *p); /* a new reference */
