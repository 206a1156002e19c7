#include "static.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "gateway.h"
#include "http_internal.h"
#include "mem.h"

static const struct {
	const char *extension, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".woff2", "font/woff2" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".webmanifest", "application/manifest+json" },
};

const char *static_content_type(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash != NULL ? slash : path, '.');

	for (size_t i = 0; dot != NULL && i < ARRAY_LEN(types); i++)
		if (strcmp(dot, types[i].extension) == 0)
			return types[i].type;
	return NULL;
}

/* glibc 2.36 has no wrapper. */
static int open_beneath(int dir, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int static_check(const struct settings *s, struct error *err)
{
	const char *folder = s->gateway_web_dir;
	CLEANUP(fd_close) int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || faccessat(dir, "index.html", R_OK, AT_EACCESS) < 0)
		return error_set(err, -errno,
				 "gateway.web_dir = \"%s\": no index.html to serve: %s", folder,
				 strerror(errno));
	return 0;
}

/* The folder is opened for each request: then a new release of the page needs no restart. */
static int open_file(const struct gateway *g, const char *path, struct stat *st)
{
	CLEANUP(fd_close) int dir =
		open(g->settings->gateway_web_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (dir < 0)
		return -errno;
	fd = open_beneath(dir, path);
	if (fd < 0)
		return -errno;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return -ENOENT;
}

static void add_etag(struct request *r, const struct stat *st, char etag[64])
{
	snprintf(etag, 64, "\"%llx-%llx%lx\"", (unsigned long long)st->st_size,
		 (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
	reply_header(r, "ETag", etag);
	reply_header(r, "Cache-Control", "no-cache"); /* ask each time; 304 is cheap */
}

static void send_file(struct request *r, int fd, const struct stat *st, const char *type)
{
	struct evbuffer *body = evbuffer_new();
	char etag[64];

	add_etag(r, st, etag);
	if (request_knows(r, etag)) {
		close(fd);
		reply_buffer(r, 304, NULL, body);
		return;
	}
	if (st->st_size == 0 || evbuffer_add_file(body, fd, 0, st->st_size) < 0)
		close(fd);
	reply_buffer(r, 200, type, body);
}

void static_serve(struct request *r)
{
	const char *path = strcmp(r->path, "/") == 0 ? "index.html" : r->path + 1;
	const char *type = static_content_type(path);
	struct stat st;
	int fd;

	if (type == NULL || path[0] == '.' || path[0] == '/' || strstr(path, "/.") != NULL ||
	    (fd = open_file(r->g, path, &st)) < 0) {
		reply_problem(r, 404, "not_found", "There is nothing at this path.");
		return;
	}
	send_file(r, fd, &st, type);
}
