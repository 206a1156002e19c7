/*
 * processes.h - the processes of each browser, as the kernel shows them in /proc.
 *
 * Chromium tells of targets, not of processes, and a page's process can outlive its target. So the
 * process table is asked itself, cheaply enough to be asked often: one listing of /proc, and a look
 * only at processes that are new or known to be a browser's. A browser's processes are those of its
 * process group (sandboxed ones too); its leader's pid names the group.
 *
 * What a process is shows in its command line. It is not known at once: a page's process is a copy
 * of the zygote first. ZYGOTE and OTHER may therefore become something else in a later refresh.
 *
 * Every ten seconds all processes are looked at anew, because a pid may have been given again
 * between two refreshes. Pointers to a struct process are valid until the next refresh.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum process_type {
	PROCESS_BROWSER, /* the leader */
	PROCESS_ZYGOTE,
	PROCESS_RENDERER,
	PROCESS_GPU,
	PROCESS_NETWORK,
	PROCESS_UTILITY, /* another of Chromium's services */
	PROCESS_OTHER,
	PROCESS_TYPE_COUNT
};

const char *process_type_name(enum process_type type);

struct process {
	pid_t pid, group;
	enum process_type type;
	char state; /* as in /proc/PID/stat: R, S, D, T, Z … */
	uint64_t start_ticks;
};

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

/* Of one process, now, whosever it is. -errno when it is gone or the kernel does not tell. */
int process_read(pid_t pid, struct process *ret);

struct process_memory {
	int64_t resident_bytes,
		shared_bytes; /* shared: of these, pages of files and shared memory */
};
int process_read_memory(pid_t pid, struct process_memory *ret); /* some microseconds */
/* Its share of what it uses. Some milliseconds, in which the process cannot map memory; for a
 * sandboxed process only root may ask. */
int process_read_pss(pid_t pid, int64_t *ret_bytes);
