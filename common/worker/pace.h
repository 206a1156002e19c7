/*
 * pace.h - how fast a Moodle site is asked: site.requests_per_s, over all jobs, workers and hosts.
 *
 * Redis keeps one bucket for each site (pensum:pace:<site>), of one second's requests. Who wants to
 * ask takes one out of it, and waits while it is empty. How many a script is going to send nobody
 * knows: what it has sent beyond the first is taken afterwards, and then all wait longer, so that
 * the average holds. In a script requests keep a distance, so that no job alone is faster than
 * that. While Redis is away each job keeps to its share, as if site.max_running jobs were running.
 */
#pragma once

#include "work.h"

/* Before a request, or a script with some; what lies between those of a script is *gap_ms (may be
 * NULL; 0: nothing). 0, or -1 after work_fail(): "cancelled", or "site_busy" when so many are
 * waiting that the attempt's time would be spent on it. */
int pace_take(struct work *w, int64_t *gap_ms);

/* Requests that were not taken before they were sent. */
void pace_spent(struct work *w, long long requests);
