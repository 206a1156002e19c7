/*
 * counts.h - what a worker's slots count, in memory that they share with their parent, which writes
 * it with each heartbeat (pensum.workers.counters) for the gateway's scrape. It begins anew with
 * the worker, not with a slot.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

/* What a worker tried for an attempt that was no longer its own. */
enum count_op {
	COUNT_OP_FINISH,
	COUNT_OP_RETRY,
	COUNT_OP_HAND_BACK,
	COUNT_OP_WAIT,
	COUNT_OP_LOOK, /* it was told, and stopped */
	COUNT_OP_REPLAY,
	COUNT_OP_COUNT
};
/* Why a worker gave back what it did not run any more. */
enum count_reclaimed {
	COUNT_RECLAIMED_CRASHED,     /* a slot */
	COUNT_RECLAIMED_OVERDUE,     /* a slot that outstayed its job's time limit */
	COUNT_RECLAIMED_RESTARTED,   /* the worker */
	COUNT_RECLAIMED_STOPPED,     /* the worker, before the slot could end it */
	COUNT_RECLAIMED_ANSWER_LOST, /* a claim's or an end's */
	COUNT_RECLAIMED_COUNT
};

typedef _Atomic uint64_t count_number;

struct counts {
	count_number zombie_rejected[COUNT_OP_COUNT];
	count_number reclaimed[COUNT_RECLAIMED_COUNT];
	count_number retried;
	count_number spooled, replayed; /* finished work that waited on disk, and was recorded */
};

void count_one(count_number *number);
void count_some(count_number *number, int by); /* by <= 0: nothing */
/* {"metric": {"label's value": number}}; a new reference. */
json_t *counts_to_json(struct counts *c);
