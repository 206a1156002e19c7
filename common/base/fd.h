/*
 * fd.h - file descriptors: closing by scope, non-blocking, Unix sockets, waiting with a deadline.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "clock.h"
#include "error.h"

void fd_close(int *fd); /* for CLEANUP(fd_close); fine with -1; leaves -1 */
int fd_set_nonblock(int fd);
int fd_write_all(int fd, const void *data, size_t len); /* blocking; 0 or -errno */

/* Waits for POLLIN or POLLOUT; 1 ready, 0 deadline over, or -errno. EINTR counts as ready=0 only
 * when the deadline is over. */
int fd_wait(int fd, short events, struct deadline d);

/* Stream sockets on a path, close-on-exec. A descriptor >= 0, or -errno with a sentence. Listening
 * replaces a stale socket file (one nobody answers on) and refuses a living one: -EADDRINUSE. */
int fd_unix_connect(const char *path, struct error *err);
/* Whether one could be made at path, were nobody there; changes nothing. */
int fd_unix_check(const char *path, struct error *err);
int fd_unix_listen(const char *path, unsigned mode, int backlog, struct error *err);
