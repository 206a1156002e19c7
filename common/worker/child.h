/*
 * child.h - a slot as its parent sees it: its process, how that ended, and what it wrote last.
 *
 *	child_init() -> child_start() -> child_ended() -> child_released() -> child_start() -> …
 *
 * Between its end and child_released() its last job is still to be given back, and it is not started.
 */
#pragma once

#include <sys/types.h>

#include "slot.h"
#include "tail.h"

#define CHILD_RESTART_MS 500 /* between two starts of one slot */

struct child {
	pid_t pid; /* 0: not running */
	struct deadline next_start;
	bool to_release; /* its last job is still to be given back */
	bool overdue;	 /* we killed it */
	char fate[128];	 /* how it ended, for the student's failure message and the log */
	struct tail tail;
	struct slot_config config;
};

void child_init(struct child *c, const struct slot_config *config);
void child_done(struct child *c);
/* The caller's connections must be closed: the slot would have them, too. */
void child_start(struct child *c);
void child_ended(struct child *c, int status); /* as waitpid() tells it */
void child_released(struct child *c);
void child_kill_overdue(struct child *c);
