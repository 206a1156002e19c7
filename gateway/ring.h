/*
 * ring.h - the bell: tells the workers of a queue that a job waits (PostgreSQL has the job itself).
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

/* Call after the commit that made the job due. attempt is the job's count of attempts so far. A
 * bell that cannot be rung is noted in the row (rung_at), and the feeder rings it again. */
void ring_job(struct gateway *g, enum job_queue queue, enum job_priority priority,
	      const char *job_id, int attempt);
