/*
 * claim.h - how an attempt begins, and what becomes of one whose worker died: the SQL functions of
 * deploy/sql and the events that tell of them. (Its regular end: end.h.) Every call compares (id,
 * attempt, worker): a worker that lost its job changes nothing.
 */
#pragma once

#include "work.h"

/* The job of a stream entry (attempt: as the entry says). 1 claimed and *w filled, 0 not to be had
 * (stale entry), or negative: the database is away. Give w back with claim_done(). */
int claim_job(struct work *w, const char *id, const char *attempt, struct error *err);
/* The same without a bell: the job whose turn it is. */
int claim_next(struct work *w, enum job_queue queue, struct error *err);
void claim_done(struct work *w); /* frees what claiming and the job's code filled in */

/* 1 ours, 0 lost, negative: cannot tell within two seconds. */
int claim_is_still_ours(struct pg *pg, const struct work *w, bool *cancel);

/* The claim is on the server's disk from now on. 1 it is, 0 lost, negative: cannot tell within two
 * seconds. */
int claim_keep(struct pg *pg, const struct work *w);

/* Everything that a dead slot (host:queue:slot) or worker (host:queue) ran goes back to its queue
 * with an event that the gateway hears, which rings. tail: of the slot's stderr (tail.h); NULL: none.
 * Answers how many. */
int claim_release(struct pg *pg, struct redis *redis, const char *worker, const char *message,
		  const char *tail, struct error *err);

/* Best effort: a lost event is healed by the terminal one, which readers take from the record. */
void claim_publish(struct redis *redis, const struct job_event *ev);
/* The same, posted (redis_post()). */
void claim_post(struct redis *redis, const struct job_event *ev);
