#include "orphans.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "mem.h"
#include "processes.h"

#define NOTE_NAME     "pensum-leader"
#define NOTE_BYTES    128
#define BOOT_ID	      "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64
#define MAX_ENVIRON   (64 * 1024)
#define LIMIT_MS      3000
#define LOOK_MS	      5

struct note {
	pid_t leader;
	uint64_t start_ticks;
};

struct hunt {
	char *mark; /* ORPHANS_VARIABLE=run_dir/ */
	struct note *notes;
	size_t note_count;
	pid_t *killed;
	size_t killed_count;
};

/* The note */

static int read_boot_id(struct buf *ret)
{
	int r = file_read(BOOT_ID, BOOT_ID_BYTES, ret, NULL);

	while (r == 0 && ret->len > 0 && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = '\0';
	return r;
}

int orphans_note_leader(const char *profile, pid_t leader, struct error *err)
{
	CLEANUP_FREE char *path = mem_printf("%s/" NOTE_NAME, profile);
	CLEANUP(buf_done) struct buf boot = BUF_INIT;
	struct process p;
	FILE *f;

	if (process_read(leader, &p) < 0 || read_boot_id(&boot) < 0)
		return error_set(err, -ESRCH, "the browser's process cannot be read");
	f = fopen(path, "we");
	if (f == NULL)
		return error_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f, "%d %" PRIu64 " %s\n", (int)leader, p.start_ticks, boot.data);
	if (fclose(f) != 0)
		return error_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static void take_note(struct hunt *h, const char *path, const char *boot_id)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	char boot[BOOT_ID_BYTES];
	struct note n;

	if (file_read(path, NOTE_BYTES, &text, NULL) < 0 ||
	    sscanf(text.data, "%d %" SCNu64 " %63s", &n.leader, &n.start_ticks, boot) != 3 ||
	    n.leader <= 1 || strcmp(boot, boot_id) != 0)
		return;
	h->notes = mem_realloc(h->notes, (h->note_count + 1) * sizeof(*h->notes));
	h->notes[h->note_count++] = n;
}

static void take_notes(struct hunt *h, const char *run_dir)
{
	CLEANUP(buf_done) struct buf boot = BUF_INIT;
	DIR *d = opendir(run_dir);
	struct dirent *entry;

	if (read_boot_id(&boot) == 0)
		while (d != NULL && (entry = readdir(d)) != NULL) {
			CLEANUP_FREE char *path =
				mem_printf("%s/%s/" NOTE_NAME, run_dir, entry->d_name);

			take_note(h, path, boot.data);
		}
	if (d != NULL)
		closedir(d);
}

/* The hunt */

static bool is_child_of_chromium(const struct process *p)
{
	return p->type != PROCESS_BROWSER && p->type != PROCESS_OTHER;
}

static bool is_in(const struct note *n, const struct process *p)
{
	struct process leader;

	if (p->group != n->leader || p->start_ticks < n->start_ticks)
		return false;
	if (process_read(n->leader, &leader) == 0 && leader.start_ticks != n->start_ticks)
		return false;
	return p->pid == n->leader || is_child_of_chromium(p);
}

static bool has_mark(const struct hunt *h, pid_t pid)
{
	CLEANUP_FREE char *path = mem_printf("/proc/%d/environ", (int)pid);
	CLEANUP(buf_done) struct buf all = BUF_INIT;
	const char *at;

	if (file_read(path, MAX_ENVIRON, &all, NULL) < 0)
		return false;
	for (at = all.data; at < all.data + all.len; at += strlen(at) + 1)
		if (strncmp(at, h->mark, strlen(h->mark)) == 0)
			return true;
	return false;
}

static bool is_orphan(const struct hunt *h, pid_t pid)
{
	struct process p;

	if (pid == getpid() || process_read(pid, &p) < 0 || p.state == 'Z')
		return false;
	for (size_t i = 0; i < h->note_count; i++)
		if (is_in(&h->notes[i], &p))
			return true;
	return has_mark(h, pid);
}

static void note_killed(struct hunt *h, pid_t pid)
{
	for (size_t i = 0; i < h->killed_count; i++)
		if (h->killed[i] == pid)
			return;
	h->killed = mem_realloc(h->killed, (h->killed_count + 1) * sizeof(*h->killed));
	h->killed[h->killed_count++] = pid;
}

/* Whether there was any. */
static bool kill_all(struct hunt *h)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool any = false;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 1 || !is_orphan(h, pid))
			continue;
		kill(pid, SIGKILL);
		note_killed(h, pid);
		any = true;
	}
	if (proc != NULL)
		closedir(proc);
	return any;
}

unsigned orphans_kill(const char *run_dir)
{
	struct hunt h = { .mark = mem_printf(ORPHANS_VARIABLE "=%s/", run_dir) };
	struct deadline limit = deadline_in(LIMIT_MS);

	take_notes(&h, run_dir);
	while (kill_all(&h) && !deadline_is_over(limit))
		clock_sleep_ms(LOOK_MS);
	free(h.mark);
	free(h.notes);
	free(h.killed);
	return (unsigned)h.killed_count;
}
