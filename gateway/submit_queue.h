/*
 * submit_queue.h - submissions on their way into PostgreSQL. Those that come in one turn of the
 * loop, or while others are being committed, share a transaction, and so one write of its log to
 * the disk.
 *
 *	pending -> in a transaction with others -> its rows
 *		-> once more, alone: it would have waited for another submission of its student, or
 *		   PostgreSQL has refused the whole transaction
 *
 * One that comes while nothing else is under way is early: committed without waiting for the disk,
 * so that its job can be rung for while the disk works (submit_queue_settle()).
 *
 * Each has the outcome that it would have alone (deploy/sql/016_submit.sql), and hears of it
 * when it is committed. One waits for its turn, and then for its transaction, as long as a query may.
 */
#pragma once

#include "api_call.h"

struct submit_queue *submit_queue_new(struct gateway *g);
void submit_queue_free(struct submit_queue *q); /* when no request is left */

/* A submission's rows among those of its transaction; at least one. */
struct submit_rows {
	const struct pgloop_result *all;
	size_t first, count;
	bool last;  /* nobody else's are behind them */
	bool early; /* not on the disk yet */
};
const char *submit_rows_value(const struct submit_rows *rows, size_t row, size_t column);

/* Called with what was submitted, or not at all, because the request has been answered
 * (api_call.h). */
typedef void submit_rows_fn(struct gateway *g, struct request *r, const struct submit_rows *rows,
			    void *arg);
/* text: the object that pensum.jobs_submit_each() takes; copied. */
void submit_queue_add(struct submit_queue *q, struct request *r, const char *text,
		      submit_rows_fn *fn, void *arg);

/* Goes on when all that PostgreSQL has answered so far is on its disk; the rows say nothing. */
void submit_queue_settle(struct gateway *g, struct request *r, api_rows_fn *fn, void *arg);
