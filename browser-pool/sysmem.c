#include "sysmem.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "file.h"
#include "mem.h"

#define MAX_FILE_BYTES (64 * 1024)
#define KIB	       1024

const struct sysmem_paths sysmem_paths = { "/proc", "/sys/fs/cgroup" };

/* Digits and nothing but white space behind them, up to end (or the text's). */
static int64_t parse_number(const char *text, const char *end)
{
	char *rest;
	long long n;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtoll(text, &rest, 10);
	if (errno != 0)
		return -1;
	while (isspace((unsigned char)*rest) && *rest != '\n')
		rest++;
	return strncmp(rest, end, strlen(end)) == 0 ? (int64_t)n : -1;
}

/* What follows name and mark at the start of a line; NULL. */
static const char *find_line(const char *text, const char *name, char mark)
{
	size_t len = strlen(name);

	while (text != NULL && (strncmp(text, name, len) != 0 || text[len] != mark)) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + len + 1 : NULL;
}

int64_t sysmem_parse_meminfo(const char *text, const char *name)
{
	const char *rest = find_line(text, name, ':');
	int64_t kib = rest ? parse_number(rest + strspn(rest, " \t"), "kB\n") : -1;

	return kib < 0 || kib > INT64_MAX / KIB ? -1 : kib * KIB;
}

int64_t sysmem_parse_stat(const char *text, const char *name)
{
	const char *rest = find_line(text, name, ' ');

	return rest ? parse_number(rest, "\n") : -1;
}

int64_t sysmem_parse_bytes(const char *text)
{
	return strcmp(text, "max\n") == 0 ? INT64_MAX : parse_number(text, "\n");
}

double sysmem_parse_pressure(const char *text)
{
	const char *rest = find_line(text, "some avg10", '=');
	char *end;
	double percent;

	if (rest == NULL || !isdigit((unsigned char)*rest))
		return -1;
	percent = strtod(rest, &end);
	return *end == ' ' && percent <= 100 ? percent : -1;
}

char *sysmem_parse_cgroup(const char *text)
{
	const char *path = find_line(text, "0:", ':');
	size_t len = path ? strcspn(path, "\n") : 0;
	char *own;

	if (len == 0 || path[0] != '/')
		return NULL;
	own = mem_strndup(path, len == 1 ? 0 : len);
	if (strstr(own, "/..") != NULL) { /* outside of what we can see */
		free(own);
		own = NULL;
	}
	return own;
}

/* Reading */

static bool read_text(struct buf *b, const char *folder, const char *group, const char *name)
{
	CLEANUP_FREE char *path = mem_printf("%s%s/%s", folder, group, name);

	buf_clear(b);
	return file_read(path, MAX_FILE_BYTES, b, NULL) == 0;
}

static int64_t read_bytes(const char *folder, const char *group, const char *name)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	return read_text(&text, folder, group, name) ? sysmem_parse_bytes(text.data) : -1;
}

/* Above memory.high a group is slowed down until it is of no use, so that is its limit too. */
static int64_t limit_of(const char *folder, const char *group)
{
	int64_t max = read_bytes(folder, group, "memory.max");
	int64_t high = read_bytes(folder, group, "memory.high");

	return MIN(max < 0 ? INT64_MAX : max, high < 0 ? INT64_MAX : high);
}

static void take_group(const char *folder, const char *group, struct sysmem *m)
{
	CLEANUP(buf_done) struct buf stat = BUF_INIT;
	int64_t limit = limit_of(folder, group), used, cache = -1;

	if (limit == INT64_MAX || limit == 0)
		return;
	m->total_bytes = MIN(m->total_bytes, limit);
	m->available_bytes = MIN(m->available_bytes, limit);
	used = read_bytes(folder, group, "memory.current");
	if (used < 0 || used == INT64_MAX)
		return;
	if (read_text(&stat, folder, group, "memory.stat"))
		cache = sysmem_parse_stat(stat.data, "inactive_file");
	used -= MIN(used, MAX(cache, 0));
	m->available_bytes = MIN(m->available_bytes, MAX(limit - used, 0));
}

static void take_pressure(const char *folder, const char *group, const char *name, struct sysmem *m)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;

	if (read_text(&text, folder, group, name))
		m->pressure = MAX(m->pressure, sysmem_parse_pressure(text.data));
}

static void take_groups(const struct sysmem_paths *paths, struct sysmem *m)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	CLEANUP_FREE char *group = NULL;
	char *slash;

	if (!read_text(&text, paths->proc, "/self", "cgroup"))
		return;
	group = sysmem_parse_cgroup(text.data);
	if (group == NULL)
		return;
	take_pressure(paths->cgroup, group, "memory.pressure", m);
	take_group(paths->cgroup, group, m);
	while ((slash = strrchr(group, '/')) != NULL) {
		*slash = '\0';
		take_group(paths->cgroup, group, m);
	}
}

int sysmem_read(const struct sysmem_paths *paths, struct sysmem *ret, struct error *err)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	int64_t total, available;

	if (!read_text(&text, paths->proc, "", "meminfo"))
		return error_set(err, -ENOENT, "%s/meminfo cannot be read", paths->proc);
	total = sysmem_parse_meminfo(text.data, "MemTotal");
	available = sysmem_parse_meminfo(text.data, "MemAvailable");
	if (total <= 0 || available < 0)
		return error_set(err, -EBADMSG, "%s/meminfo makes no sense", paths->proc);
	*ret = (struct sysmem){ .total_bytes = total, .available_bytes = available };
	take_pressure(paths->proc, "/pressure", "memory", ret);
	take_groups(paths, ret);
	return 0;
}
