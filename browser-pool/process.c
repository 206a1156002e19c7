#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_BYTES   512
#define LINE_BYTES   4096
#define ROLLUP_BYTES 2048
#define STATUS_BYTES 4096

static const char *const type_names[PROCESS_TYPE_COUNT] = { "browser", "zygote",  "renderer", "gpu",
							    "network", "utility", "other" };

const char *process_type_name(enum process_type type)
{
	return type_names[type];
}

/* -1 when there is no such file, or nothing in it. The text ends with a NUL. */
static ssize_t read_text(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	return len > 0 ? len : -1;
}

static int open_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int process_open_stat(pid_t pid)
{
	return open_of(pid, "stat");
}

static ssize_t read_of(pid_t pid, const char *name, char *text, size_t size)
{
	int fd = open_of(pid, name);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read_text(fd, text, size);
	close(fd);
	return len;
}

/* pid (name, which may hold anything) state parent group … the 14th and 15th are the CPU time, the
 * 22nd is the start. */
bool process_read_stat(int fd, struct process *ret)
{
	char text[STAT_BYTES], *rest;
	uint64_t user;
	int parent, group;

	if (read_text(fd, text, sizeof(text)) < 0)
		return false;
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest,
				   ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
				   " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64,
				   &ret->state, &parent, &group, &user, &ret->system_ticks,
				   &ret->start_ticks) != 6)
		return false;
	ret->cpu_ticks = user + ret->system_ticks;
	ret->parent = parent;
	ret->group = group;
	return true;
}

static bool word_is(const char *at, const char *word)
{
	size_t len = strlen(word);

	return strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0');
}

static enum process_type read_type(pid_t pid)
{
	static const char mark[] = "--type=", network[] = "network.mojom.NetworkService";
	char line[LINE_BYTES];
	ssize_t len = read_of(pid, "cmdline", line, sizeof(line));
	const char *type = len > 0 ? memmem(line, (size_t)len, mark, strlen(mark)) : NULL;

	if (type == NULL)
		return PROCESS_OTHER;
	type += strlen(mark);
	if (word_is(type, "renderer"))
		return PROCESS_RENDERER;
	if (word_is(type, "zygote"))
		return PROCESS_ZYGOTE;
	if (word_is(type, "gpu-process"))
		return PROCESS_GPU;
	if (word_is(type, "utility"))
		return memmem(line, (size_t)len, network, strlen(network)) ? PROCESS_NETWORK
									   : PROCESS_UTILITY;
	return PROCESS_OTHER;
}

bool process_is_unsettled(const struct process *m)
{
	return m->type == PROCESS_ZYGOTE || m->type == PROCESS_OTHER;
}

void process_classify(struct process *m)
{
	if (m->pid == m->group)
		m->type = PROCESS_BROWSER;
	else if (m->state != 'Z') /* a dead one has no command line any more */
		m->type = read_type(m->pid);
}

int process_read(pid_t pid, struct process *ret)
{
	struct process p = { .pid = pid, .type = PROCESS_OTHER };
	int fd = process_open_stat(pid);
	bool ok;

	if (fd < 0)
		return -ESRCH;
	ok = process_read_stat(fd, &p);
	close(fd);
	if (!ok)
		return -ESRCH;
	process_classify(&p);
	*ret = p;
	return 0;
}

static bool read_kb(const char *text, const char *label, int64_t *ret_bytes)
{
	const char *line = strstr(text, label);
	int64_t kb;

	if (line == NULL || sscanf(line + strlen(label), " %" SCNd64, &kb) != 1)
		return false;
	*ret_bytes = kb * 1024;
	return true;
}

int process_read_memory(pid_t pid, struct process_memory *ret)
{
	char text[STATUS_BYTES];

	if (read_of(pid, "status", text, sizeof(text)) < 0 ||
	    !read_kb(text, "\nRssAnon:", &ret->own_bytes) ||
	    !read_kb(text, "\nRssShmem:", &ret->shared_bytes) || ret->own_bytes == 0)
		return -ESRCH;
	return 0;
}

int process_read_pss(pid_t pid, int64_t *ret_bytes)
{
	char text[ROLLUP_BYTES];
	int fd = open_of(pid, "smaps_rollup"), r;

	if (fd < 0)
		return -errno;
	r = read_text(fd, text, sizeof(text)) < 0 ? -ESRCH : 0;
	close(fd);
	if (r < 0)
		return r;
	return read_kb(text, "\nPss:", ret_bytes) ? 0 : -EBADMSG;
}
