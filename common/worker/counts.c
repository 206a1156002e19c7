#include "counts.h"

static const char *const op_names[] = {
	[COUNT_OP_FINISH] = "finish",	    [COUNT_OP_RETRY] = "retry",
	[COUNT_OP_HAND_BACK] = "hand_back", [COUNT_OP_WAIT] = "wait",
	[COUNT_OP_LOOK] = "look",	    [COUNT_OP_REPLAY] = "replay",
};
static const char *const reclaimed_names[] = {
	[COUNT_RECLAIMED_CRASHED] = "crashed",	       [COUNT_RECLAIMED_OVERDUE] = "overdue",
	[COUNT_RECLAIMED_RESTARTED] = "restarted",     [COUNT_RECLAIMED_STOPPED] = "stopped",
	[COUNT_RECLAIMED_ANSWER_LOST] = "answer_lost",
};

void count_one(count_number *number)
{
	atomic_fetch_add(number, 1);
}

void count_some(count_number *number, int by)
{
	if (by > 0)
		atomic_fetch_add(number, (uint64_t)by);
}

static json_t *labelled(count_number *numbers, const char *const *names, int count)
{
	json_t *all = json_object();

	for (int i = 0; i < count; i++)
		json_object_set_new(all, names[i],
				    json_integer((json_int_t)atomic_load(&numbers[i])));
	return all;
}

static json_t *single(count_number *number)
{
	return json_integer((json_int_t)atomic_load(number));
}

json_t *counts_to_json(struct counts *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "job_zombie_rejected_total",
			 labelled(c->zombie_rejected, op_names, COUNT_OP_COUNT),
			 "job_reclaimed_total",
			 labelled(c->reclaimed, reclaimed_names, COUNT_RECLAIMED_COUNT),
			 "jobs_retried_total", single(&c->retried), "jobs_spooled_total",
			 single(&c->spooled), "jobs_replayed_total", single(&c->replayed));
}
