/*
 * api_submit.h - from a judged request to committed jobs: one statement, then the bell, then 202.
 *
 * All jobs of a submission are made or none (pensum.jobs_submit). It answers 202 with {"job"} or
 * {"batch","jobs"}; 401 signed_out, when the session ended meanwhile; 429 too_many_jobs; 422
 * idempotency_mismatch; what refused_fn says; 503 database_away. 202 means that the rows are committed
 * and on the disk, for which the bell does not always wait (submit_queue.h); a bell that nobody hears is
 * rung again by the feeder.
 */
#pragma once

#include "api_call.h"

struct submission {
	enum job_kind kind;
	const char *what; /* "POST /api/v1/checks", for its Idempotency-Key; NULL: takes none */
	json_t *body;	  /* the request's, for the same; borrowed, may be NULL */
	json_t *jobs;	  /* from submit_add(); taken by submit_send(). Then those to be answered */
	json_t *courses;  /* ids, to become the input's courses with their names; borrowed, may be NULL */
	bool reuse;	  /* one of this kind that has not ended is good enough */
	const char *user_id;
	const char *site; /* its id; set before submit_add() */
	char batch[ID_LEN + 1]; /* "": a single job, answered as such */

	/* An outcome of this kind alone; what: its row's value. Answers it, or is false. May be NULL. */
	bool (*refused_fn)(struct request *r, const char *outcome, const char *what);

	/* A sign-in: the new browser session, and what is to be done before a 202. */
	const char *session_hash;
	void (*accepted_fn)(struct gateway *g, struct request *r, void *arg);
	void *arg;
};

/* In the request's arena, for the session's user if there is one. */
struct submission *submit_new(struct request *r, enum job_kind kind, const char *what);
/* Adds a job with this input (taken; the site is added). secret (may be NULL) is sealed for exactly
 * this id. */
void submit_add(struct submission *s, const char *job_id, json_t *input, const char *secret);
void submit_send(struct gateway *g, struct request *r, struct submission *s);

/* The sentences that PostgreSQL does not keep: a failure's message by its code (failure.h). */
void job_json_complete(json_t *job);
