#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_wait(int fd, short events, struct deadline d)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int n = poll(&p, 1, deadline_left_ms(d));

		if (n > 0)
			return 1;
		if (n == 0)
			return 0;
		if (errno != EINTR)
			return -errno;
		if (deadline_is_over(d))
			return 0;
	}
}

static int unix_address(const char *path, struct sockaddr_un *addr, struct error *err)
{
	if (strlen(path) >= sizeof(addr->sun_path))
		return error_set(err, -ENAMETOOLONG, "socket path too long (%zu bytes at most): %s",
				 sizeof(addr->sun_path) - 1, path);
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strlen(path) + 1);
	return 0;
}

int fd_unix_check(const char *path, struct error *err)
{
	CLEANUP_FREE char *folder = mem_strdup(path);
	struct sockaddr_un addr;
	char *slash = strrchr(folder, '/');
	int r = unix_address(path, &addr, err);

	if (r < 0)
		return r;
	if (slash != NULL)
		slash[slash == folder] = '\0';
	if (access(slash != NULL ? folder : ".", W_OK | X_OK) < 0)
		return error_set(err, -errno, "cannot listen on %s: %s", path, strerror(errno));
	return 0;
}

int fd_unix_connect(const char *path, struct error *err)
{
	struct sockaddr_un addr;
	int fd, r = unix_address(path, &addr, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = error_set(err, -errno, "cannot connect to %s: %s", path, strerror(errno));
		close(fd);
		return r;
	}
	return fd;
}

int fd_unix_listen(const char *path, unsigned mode, int backlog, struct error *err)
{
	struct sockaddr_un addr;
	int other, fd, r = unix_address(path, &addr, err);

	if (r < 0)
		return r;
	other = fd_unix_connect(path, NULL);
	if (other >= 0) {
		close(other);
		return error_set(err, -EADDRINUSE, "another process listens on %s", path);
	}
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, (mode_t)mode) < 0 || listen(fd, backlog) < 0) {
		r = error_set(err, -errno, "cannot listen on %s: %s", path, strerror(errno));
		close(fd);
		return r;
	}
	return fd;
}
