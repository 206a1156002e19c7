/*
 * processes.h - the processes of each browser, as the kernel shows them in /proc.
 *
 * Chromium tells of targets, not of processes, and a page's process can outlive its target. So the
 * process table is asked itself, cheaply enough to be asked often: one listing of /proc, and a look
 * only at processes that are new or known to be a browser's. A browser's processes are those of its
 * process group (sandboxed ones too); its leader's pid names the group.
 *
 * What a process is may change from ZYGOTE or OTHER in a later refresh (process.h).
 *
 * Every ten seconds all processes are looked at anew, because a pid may have been given again
 * between two refreshes. Pointers to a struct process are valid until the next refresh.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "process.h"

struct processes;

struct processes *processes_new(void);
void processes_free(struct processes *p);

/* Its members are there after the next refresh. A group without members may be forgotten. */
void processes_add_group(struct processes *p, pid_t leader);
void processes_remove_group(struct processes *p, pid_t leader);

/* Does nothing when the last one is not older than max_age_ms; 0 looks in any case. */
void processes_refresh(struct processes *p, int64_t max_age_ms);

/* for (m = NULL; (m = processes_next(p, leader, m)) != NULL;), by ascending pid */
const struct process *processes_next(const struct processes *p, pid_t leader,
				     const struct process *before);
/* NULL when it was of no group in the last refresh. */
const struct process *processes_find(const struct processes *p, pid_t pid);
/* The same, with its state and group of now; NULL when that process is gone. */
const struct process *processes_look(struct processes *p, pid_t pid);
