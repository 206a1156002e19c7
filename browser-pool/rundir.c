#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fd.h"
#include "file.h"
#include "mem.h"
#include "orphans.h"
#include "text.h"

#define PROFILE_PREFIX "browser-"

struct rundir {
	char *path;
	int lock_fd;
	unsigned orphans;
};

static int lock(struct rundir *dir, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/lock", dir->path);

	dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir->lock_fd < 0)
		return error_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -EBUSY, "another pool uses pool.run_dir %s", dir->path);
	return 0;
}

static int sweep(struct rundir *dir, struct error *err)
{
	DIR *d = opendir(dir->path);
	struct dirent *entry;
	int r = 0;

	if (d == NULL)
		return error_set(err, -errno, "cannot read %s: %s", dir->path, strerror(errno));
	while (r == 0 && (entry = readdir(d)) != NULL) {
		CLEANUP_FREE char *path = NULL;

		if (!text_starts_with(entry->d_name, PROFILE_PREFIX))
			continue;
		path = mem_printf("%s/%s", dir->path, entry->d_name);
		r = file_remove_tree(path, err);
	}
	closedir(d);
	return r;
}

static void forget(struct rundir *dir)
{
	fd_close(&dir->lock_fd);
	free(dir->path);
	free(dir);
}

unsigned rundir_orphans(const struct rundir *dir)
{
	return dir->orphans;
}

/* Without links, because a browser's processes are known by it. */
static int take_path(struct rundir *dir, const char *path, struct error *err)
{
	dir->path = realpath(path, NULL);
	if (dir->path == NULL)
		return error_set(err, -errno, "cannot find %s: %s", path, strerror(errno));
	return 0;
}

int rundir_open(const char *path, struct rundir **ret, struct error *err)
{
	struct rundir *dir = mem_zalloc(sizeof(*dir));
	int r = file_mkdirs(path, 0700, err);

	dir->lock_fd = -1;
	if (r == 0)
		r = take_path(dir, path, err);
	if (r == 0)
		r = lock(dir, err);
	if (r == 0) {
		dir->orphans = orphans_kill(dir->path);
		r = sweep(dir, err);
	}
	if (r < 0) {
		forget(dir);
		return r;
	}
	*ret = dir;
	return 0;
}

void rundir_close(struct rundir *dir)
{
	if (dir == NULL)
		return;
	sweep(dir, NULL);
	/* The lock file stays: removing it would let two pools lock two files of one name. */
	forget(dir);
}

int rundir_make_profile(struct rundir *dir, unsigned id, char **ret, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/" PROFILE_PREFIX "%u", dir->path, id);
	CLEANUP_FREE char *tmp = mem_printf("%s/tmp", path);
	int r = file_remove_tree(path, err);
	struct error ignored;

	if (r == 0)
		r = file_mkdirs(tmp, 0700, err);
	if (r < 0) {
		file_remove_tree(path, &ignored);
		return r;
	}
	*ret = path;
	path = NULL;
	return 0;
}

int rundir_remove_profile(const char *profile, struct error *err)
{
	return file_remove_tree(profile, err);
}
