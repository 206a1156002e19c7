/*
 * child.h - one process group that reads messages from descriptor 3 and writes them to 4.
 *
 * The child is in a session and group of its own, dies with this process (the kernel kills it, and
 * its pipe ends), inherits no descriptor but 0-4 and no variable but the given ones, and has a
 * limit on its data so that a page that wants more memory crashes alone. child_spawn() must be
 * called by the main thread: the kernel ties the child's life to the thread that forked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define CHILD_EXIT_CANNOT_EXECUTE 127

struct child_plan {
	const char *path; /* what to execute */
	char **argv, **envp;
	const char *dir; /* its working folder */
	int64_t data_limit_bytes;
};

struct child {
	pid_t pid;	   /* also the group's */
	int in_fd, out_fd; /* what it writes, and what it reads; ours to close, non-blocking */
	int stderr_fd;	   /* likewise */
};

int child_spawn(const struct child_plan *plan, struct child *ret, struct error *err);

/* What this process, and all that it starts from now on, may have of data. It cannot be raised
 * again. -errno when that is not possible. */
int child_lower_data_limit(pid_t pid, int64_t bytes);

/* SIGKILL to the whole group. */
void child_kill_group(pid_t pid);
/* Nobody of the group is left, not even unreaped. */
bool child_group_is_gone(pid_t pid);

/* Makes this process the parent of what its children leave behind. */
void child_adopt_orphans(void);
/* One dead child or adopted orphan; 0 when there is none. */
pid_t child_reap(int *status);
