#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "mem.h"

int file_read(const char *path, size_t max_bytes, struct buf *b, struct error *err)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t start = b->len;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	for (;;) {
		ssize_t n;

		buf_reserve(b, 8192);
		n = read(fd, b->data + b->len, 8192);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
		if (n == 0)
			return 0;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (b->len - start > max_bytes)
			return error_set(err, -EFBIG, "%s is larger than %zu bytes", path,
					 max_bytes);
	}
}

static int write_and_sync(int fd, const void *data, size_t len)
{
	int r = fd_write_all(fd, data, len);

	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, unsigned mode,
		      struct error *err)
{
	CLEANUP_FREE char *tmp = mem_printf("%s.%d.tmp", path, (int)getpid());
	CLEANUP(fd_close) int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
	int r;

	if (fd < 0)
		return error_set(err, -errno, "cannot create %s: %s", tmp, strerror(errno));
	r = write_and_sync(fd, data, len);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return error_set(err, r, "cannot write %s: %s", path, strerror(-r));
	}
	return 0;
}

int file_mkdirs(const char *path, unsigned mode, struct error *err)
{
	CLEANUP_FREE char *part = mem_strdup(path);

	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST)
			return error_set(err, -errno, "cannot create folder %s: %s", part,
					 strerror(errno));
		*p = c;
		if (c == '\0')
			return 0;
	}
}

int file_check_dir(const char *path, struct error *err)
{
	CLEANUP_FREE char *part = mem_strdup(path);
	const char *there = part;
	struct stat st;
	char *slash;

	while (stat(there, &st) < 0) {
		if (errno != ENOENT || strlen(there) < 2)
			return error_set(err, -errno, "%s: %s", there, strerror(errno));
		slash = strrchr(part, '/');
		if (slash != NULL)
			*slash = '\0';
		there = slash == NULL ? "." : slash == part ? "/" : part;
	}
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "%s: %s", there, strerror(ENOTDIR));
	if (access(there, W_OK | X_OK) < 0)
		return error_set(err, -errno, "%s: %s", there, strerror(errno));
	return 0;
}

static int remove_entries(int dir_fd, int depth)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	int r = 0;

	if (dir == NULL) {
		close(dir_fd);
		return -errno;
	}
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		int sub;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), name, 0) == 0 || errno == ENOENT)
			continue;
		if ((errno != EISDIR && errno != EPERM) || depth == 0) {
			r = -errno;
			continue;
		}
		sub = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			remove_entries(sub, depth - 1);
		if (unlinkat(dirfd(dir), name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = -errno;
	}
	closedir(dir);
	return r;
}

int file_remove_tree(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		r = unlink(path) < 0 ? -errno : 0;
	else {
		r = remove_entries(fd, 32);
		if (rmdir(path) < 0 && errno != ENOENT)
			r = -errno;
		else
			r = 0;
	}
	if (r < 0)
		return error_set(err, r, "cannot remove %s: %s", path, strerror(-r));
	return 0;
}

int file_read_secret(const char *name, const char *path, struct buf *b, struct error *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	CLEANUP_FREE char *credential = dir ? mem_printf("%s/%s", dir, name) : NULL;
	const char *from = credential && access(credential, R_OK) == 0 ? credential : path;
	int r;

	if (from == NULL || from[0] == '\0')
		return error_set(err, -ENOENT,
				 "secret %s: no systemd credential and no file configured", name);
	r = file_read(from, 4096, b, err);
	if (r < 0)
		return error_prefix(err, "secret %s", name);
	while (b->len > 0 && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
		b->data[--b->len] = '\0';
	return 0;
}
