/*
 * metrics.h - the pool's numbers, named as a metrics system wants them.
 *
 * One flat JSON object, whose names are whole series and whose values are numbers, so that whoever
 * exports them writes "name value" lines and knows nothing about the pool:
 *
 *	bp_leases{state="lent|waiting"}		bp_browsers{state="…"}
 *	bp_queue_depth{class="…"}		bp_queue_wait_seconds_sum, _count (of those lent)
 *	bp_lease_seconds_sum, _count		bp_lease_end_total{reason="…"}
 *	bp_admission_denied_total{reason="…"}	why a waiting request ended without a page
 *	bp_browser_restarts_total{reason="…"}	gone: died or hung; else as in recycle.h
 *	bp_pss_bytes{proc="browser|renderer|gpu|network|zygote|utility|other|daemon"} (usage.h)
 *	bp_mem_available_bytes, bp_mem_short (0 or 1; memory.h)
 *	bp_cdp_denied_total{method="…|other"}
 *	bp_orphans_reaped_total			of a killed pool, found and ended at the start
 *	bp_page_processes_killed_total		that outlived their page (remains.h)
 */
#pragma once

#include <jansson.h>

struct pool;

json_t *metrics_format(const struct pool *p); /* a new reference */
