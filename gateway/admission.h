/*
 * admission.h - whether there is room for more jobs, and when there will be.
 *
 * Two things are bounded: how many jobs of a queue wait (jobs.max_queued), and how full
 * browser-pool's own queue is (limits.pool_waiting_percent). Beyond, a submission is refused with
 * 503 and a Retry-After that comes from what was measured: the surplus divided by the rate at which
 * the queue drained in the last half minute.
 *
 * Nobody waits for these numbers: a submission is judged by the last ones, which are asked for
 * again when they are a second old, and by what was submitted here since. While they are unknown
 * (the first of a quiet time, PostgreSQL away) all are let in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway.h"
#include "http.h"

/* True: 503 queue_full or pool_busy has been sent. */
bool admission_refuses(struct gateway *g, struct request *r, enum job_queue queue, size_t jobs);

/* Seconds until surplus is gone at so many a second; 1 to 600, and 30 while nothing drains. */
int admission_wait_s(double surplus, double rate);
