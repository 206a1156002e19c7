/*
 * reload.h - SIGHUP: the settings that a running pool can change, read again from the same place.
 *
 * Live are log.level, pool.max_browsers, pool.max_pages, pool.page_memory_mb (for these, how much
 * memory there is is measured anew; a browser that runs keeps its own limits on a page, so a larger
 * one holds from the next browser on), pool.max_waiting, pool.client_max_waiting,
 * pool.client_max_pages, pool.wait_s, pool.lease_s, pool.idle_s, pool.min_available_mb,
 * pool.max_pressure, pool.drain_s, pool.canary_s, pool.settle_s and pool.recycle_*; leases and
 * requests that exist keep the times that they were given. Another pool setting that changed is
 * named in the log and waits for a restart. When the file is not valid nothing changes.
 */
#pragma once

#include "error.h"
#include "settings.h"

int reload_settings(struct settings *in_force, struct error *err);
