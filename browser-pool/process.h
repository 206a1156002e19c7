/*
 * process.h - one process, as the kernel shows it in /proc.
 *
 * What a process of Chromium's is shows in its command line, and not at once: a page's process is a
 * copy of the zygote first. ZYGOTE and OTHER may therefore become something else.
 */
#pragma once

#include <stdbool.h>
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
	pid_t pid, parent, group;
	enum process_type type;
	char state; /* as in /proc/PID/stat: R, S, D, T, Z … */
	uint64_t start_ticks;
	uint64_t cpu_ticks;    /* so far, and of these … */
	uint64_t system_ticks; /* … what the kernel worked for it */
};

/* Whosever it is. -errno when it is gone or the kernel does not tell. */
int process_read(pid_t pid, struct process *ret);

struct process_memory {
	int64_t own_bytes;    /* that it shares with nobody */
	int64_t shared_bytes; /* shared memory that it uses; files do not count */
};
/* Some ten microseconds. One that is ending has nothing any more: -ESRCH. */
int process_read_memory(pid_t pid, struct process_memory *ret);
/* Its share of what it uses. Some milliseconds, in which the process cannot map memory; for a
 * sandboxed process only root may ask. */
int process_read_pss(pid_t pid, int64_t *ret_bytes);

/* The same in steps, for who looks at one often: its stat file names this process as long as it is
 * open, even when its pid is given again. */
int process_open_stat(pid_t pid);		     /* -1 when there is none */
bool process_read_stat(int fd, struct process *ret); /* all but pid and type; false: it is gone */
void process_classify(struct process *p);
bool process_is_unsettled(const struct process *p); /* not yet what it will be, perhaps */
