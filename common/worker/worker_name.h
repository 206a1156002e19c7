/*
 * worker_name.h - what a worker is called, its row in pensum.workers, and whether another machine has one
 * of that name.
 *
 * The name (host:queue) is whose jobs are given back at a start, so two machines must not share it. A
 * start's boot word, in the worker's row of pensum.workers, begins with the machine. A row of another
 * machine is watched for three beats before it is taken over: when it beats, its worker lives. Two that
 * start in the same moment, and containers of one machine, are not told apart.
 */
#pragma once

#include <stdbool.h>

#include "clock.h"
#include "counts.h"
#include "jobmsg.h"
#include "pg.h"
#include "settings.h"

#define WORKER_NAME_SIZE 96
#define WORKER_BOOT_SIZE 80
#define WORKER_BEAT_MS	 3000

void worker_name_make(const struct settings *s, enum job_queue queue, char out[WORKER_NAME_SIZE]);
void worker_boot_make(char out[WORKER_BOOT_SIZE]);

struct worker_watch {
	bool begun;
	struct deadline until;
	char boot[WORKER_BOOT_SIZE];
	char beat[24];
};

/* Call again and again until it tells: 1 the name is ours, 0 not known yet, -EEXIST it is another
 * machine's; other negatives: PostgreSQL is away, and the watch begins anew. */
int worker_name_look(struct worker_watch *watch, const char *name, const char *boot, struct pg *pg,
		     struct error *err);

/* Each WORKER_BEAT_MS, once the name is ours. */
int worker_name_beat(const char *name, const char *boot, int slots, struct counts *counts,
		     struct pg *pg, struct error *err);
