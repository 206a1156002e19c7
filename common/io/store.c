#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "mem.h"
#include "text.h"

#define STORE_MAX_KEY	(STORE_KEY_SIZE - 1)
#define STORE_MAX_DEPTH 8
#define STORE_FILE_MODE 0640
#define STORE_DIR_MODE	0750
#define STORE_PUT_TRIES 3

/*
 * Everything happens beneath root_fd, one path component at a time and without following links, so
 * that neither a key nor a link planted in the folder leads outside. The modes are set by fchmod():
 * the daemons run with a umask that would take the group's read right away.
 */
struct store {
	char *dir;
	int root_fd;
};

int store_check(const struct settings *s, struct error *err)
{
	if (file_check_dir(s->documents_dir, err) < 0)
		return error_prefix(err, "documents.dir = \"%s\"", s->documents_dir);
	return 0;
}

int store_open(const struct settings *s, struct store **ret, struct error *err)
{
	struct store *st;
	int fd, r = file_mkdirs(s->documents_dir, STORE_DIR_MODE, err);

	if (r < 0)
		return error_prefix(err, "store");
	fd = open(s->documents_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "store: cannot open %s: %s", s->documents_dir,
				 strerror(errno));
	st = mem_zalloc(sizeof(*st));
	st->dir = mem_strdup(s->documents_dir);
	st->root_fd = fd;
	*ret = st;
	return 0;
}

void store_free(struct store *st)
{
	if (st == NULL)
		return;
	fd_close(&st->root_fd);
	free(st->dir);
	free(st);
}

/* Components of [a-z0-9._-] that do not begin with a dot: no "..", and no name of a file that is
 * still being written. */
static bool key_is_valid(const char *key)
{
	size_t len = strlen(key);

	if (len == 0 || len > STORE_MAX_KEY || key[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		bool is_first = i == 0 || key[i - 1] == '/';

		if (is_first && (key[i] == '.' || key[i] == '/'))
			return false;
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-/", key[i]))
			return false;
	}
	return true;
}

static int check_key(const char *key, struct error *err)
{
	return key_is_valid(key) ? 0 : error_set(err, -EINVAL, "store: not a valid object key");
}

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Makes a folder and puts its name on disk; one that is there already is fine. */
static int make_dir(int at, const char *name)
{
	if (mkdirat(at, name, STORE_DIR_MODE) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (fchmodat(at, name, STORE_DIR_MODE, 0) < 0 || fsync(at) < 0)
		return -errno;
	return 0;
}

/* Opens the folder of a valid key; *name points to the key's last component. */
static int open_parent(const struct store *st, const char *key, bool make, const char **name)
{
	int fd = fcntl(st->root_fd, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	if (fd < 0)
		return -errno;
	for (; (slash = strchr(key, '/')) != NULL; key = slash + 1) {
		CLEANUP_FREE char *part = mem_strndup(key, (size_t)(slash - key));
		int r = make ? make_dir(fd, part) : 0;
		int next = r < 0 ? r : open_dir(fd, part);

		close(fd);
		if (next < 0)
			return next;
		fd = next;
	}
	*name = key;
	return fd;
}

static void temporary_name(char *out, size_t size)
{
	unsigned char bytes[8];
	char hex[2 * sizeof(bytes) + 1];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	text_hex(bytes, sizeof(bytes), hex);
	snprintf(out, size, ".%s.tmp", hex);
}

static int write_and_sync(int fd, const void *data, size_t len)
{
	int r = fchmod(fd, STORE_FILE_MODE) < 0 ? -errno : fd_write_all(fd, data, len);

	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Beside, then renamed; after fsync() of the folder the object survives a power cut. */
static int put_in_dir(int dir, const char *name, const void *data, size_t len)
{
	char tmp[32];
	int r;

	temporary_name(tmp, sizeof(tmp));
	CLEANUP(fd_close)
	int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			STORE_FILE_MODE);
	if (fd < 0)
		return -errno;
	r = write_and_sync(fd, data, len);
	if (r == 0 && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, tmp, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

/* -ENOENT: the folder was empty and store_delete() took it away meanwhile; once more then. */
int store_put(struct store *st, const char *key, const void *data, size_t len, struct error *err)
{
	int r = check_key(key, err);

	if (r < 0)
		return r;
	for (int i = 0; i < STORE_PUT_TRIES; i++) {
		const char *name = NULL;
		CLEANUP(fd_close) int dir = open_parent(st, key, true, &name);

		r = dir < 0 ? dir : put_in_dir(dir, name, data, len);
		if (r != -ENOENT)
			break;
	}
	if (r < 0)
		return error_set(err, r, "store: cannot write %s/%s: %s", st->dir, key,
				 strerror(-r));
	return 0;
}

static int open_file(int dir, const char *name, uint64_t *size)
{
	struct stat info;
	int r, fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = fstat(fd, &info) < 0 ? -errno : S_ISREG(info.st_mode) ? 0 : -ENOENT;
	if (r < 0) {
		close(fd);
		return r;
	}
	*size = (uint64_t)info.st_size;
	return fd;
}

int store_open_object(struct store *st, const char *key, int *fd, uint64_t *size, struct error *err)
{
	const char *name = NULL;
	int r = check_key(key, err);

	if (r < 0)
		return r;
	CLEANUP(fd_close) int dir = open_parent(st, key, false, &name);
	r = dir < 0 ? dir : open_file(dir, name, size);
	if (r < 0)
		return error_set(err, r, "store: cannot open %s/%s: %s", st->dir, key,
				 strerror(-r));
	*fd = r;
	return 0;
}

/* The folders of a student who has no document left go too, innermost first. */
static void remove_empty_dirs(const struct store *st, const char *key)
{
	CLEANUP_FREE char *path = mem_strdup(key);
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		const char *name = NULL;

		*slash = '\0';
		CLEANUP(fd_close) int dir = open_parent(st, path, false, &name);
		if (dir < 0 || unlinkat(dir, name, AT_REMOVEDIR) < 0)
			return;
	}
}

int store_delete(struct store *st, const char *key, struct error *err)
{
	const char *name = NULL;
	int r = check_key(key, err);

	if (r < 0)
		return r;
	CLEANUP(fd_close) int dir = open_parent(st, key, false, &name);
	r = dir < 0 ? dir : unlinkat(dir, name, 0) < 0 ? -errno : 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(err, r, "store: cannot delete %s/%s: %s", st->dir, key,
				 strerror(-r));
	remove_empty_dirs(st, key);
	return 0;
}

/* ---- listing ---- */

struct walk {
	struct store_entry *found;
	size_t count, max;
	time_t now;
};

/* ".<16 hex digits>.tmp", as temporary_name() makes them. */
static bool is_temporary(const char *name)
{
	return name[0] == '.' && strspn(name + 1, "0123456789abcdef") == 16 &&
	       strcmp(name + 17, ".tmp") == 0;
}

static void walk_file(struct walk *w, int dir, const char *name, const char *key)
{
	struct stat info;

	if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode))
		return;
	if (is_temporary(name)) {
		if (w->now - info.st_mtime > STORE_STALE_S)
			unlinkat(dir, name, 0);
	} else if (key_is_valid(key)) {
		struct store_entry *e = &w->found[w->count++];

		snprintf(e->key, sizeof(e->key), "%s", key);
		e->age_s = w->now - info.st_mtime;
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* after: what has been listed in this folder already, as the rest of a key; "": nothing. */
static int walk_dir(struct walk *w, int dir, const char *prefix, const char *after, int depth)
{
	size_t first = strcspn(after, "/");
	CLEANUP_FREE char *part = mem_strndup(after, first);
	struct dirent **entries = NULL;
	int count = scandirat(dir, ".", &entries, NULL, by_name);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		CLEANUP_FREE char *key = mem_printf("%s%s", prefix, name);
		int order = strcmp(name, part);
		bool is_there = order == 0;
		CLEANUP(fd_close) int inner = -1;

		if (w->count == w->max || order < 0 || strcmp(name, ".") == 0 ||
		    strcmp(name, "..") == 0)
			continue;
		inner = depth > 0 && name[0] != '.' ? open_dir(dir, name) : -1;
		if (inner >= 0) {
			CLEANUP_FREE char *folder = mem_printf("%s/", key);

			walk_dir(w, inner, folder,
				 is_there && after[first] == '/' ? after + first + 1 : "",
				 depth - 1);
		} else if (!is_there || after[first] == '/') {
			walk_file(w, dir, name, key);
		}
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return count < 0 ? -errno : 0;
}

int store_list(struct store *st, const char *after, struct store_entry *found, size_t max,
	       struct error *err)
{
	struct walk w = { .found = found, .max = max, .now = time(NULL) };
	int r = walk_dir(&w, st->root_fd, "", after, STORE_MAX_DEPTH);

	if (r < 0)
		return error_set(err, r, "store: cannot list %s: %s", st->dir, strerror(-r));
	return (int)w.count;
}
