/*
 * admission.h - whether there is room for more jobs, and when there will be.
 *
 * Two things are bounded: how many jobs of a queue wait (jobs.max_queued), and how full
 * browser-pool's own queue is (limits.pool_waiting_percent). Beyond, a submission is refused with
 * 503 and a Retry-After that comes from what was measured: the surplus divided by the rate at which
 * the queue drains now.
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

#define ADMISSION_WAIT_MAX_S 600

/* Up to a quarter more: what is told to many at one moment shall not bring all of them back at one. */
int admission_spread_s(int wait_s);
/* Seconds until surplus is gone at so many a second, spread; 1 to 600. While nothing drains nobody
 * knows: then it is some half a minute, after which to ask again. */
int admission_wait_s(double surplus, double rate);
