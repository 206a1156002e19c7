#include "worker_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "vault.h"

#define MACHINE	 "/proc/sys/kernel/random/boot_id" /* unlike /etc/machine-id never copied */
#define WATCH_MS (3 * WORKER_BEAT_MS + 1000)

void worker_name_make(const struct settings *s, enum job_queue queue, char out[WORKER_NAME_SIZE])
{
	char host[64] = "localhost";

	if (s->worker_host[0] != '\0')
		snprintf(host, sizeof(host), "%.60s", s->worker_host);
	else
		gethostname(host, sizeof(host) - 1);
	for (char *c = host; *c != '\0'; c++)
		if (*c == ':' || *c == ' ')
			*c = '-';
	snprintf(out, WORKER_NAME_SIZE, "%s:%s", host, job_queue_name(queue));
}

/* "machine id"; only the id where the machine does not tell. */
void worker_boot_make(char out[WORKER_BOOT_SIZE])
{
	CLEANUP(buf_done) struct buf machine = BUF_INIT;
	char id[ID_LEN + 1];
	int len = 0;

	vault_new_id(id);
	if (file_read(MACHINE, 64, &machine, NULL) == 0)
		len = (int)strcspn(machine.data, "\n ");
	if (len > 0)
		snprintf(out, WORKER_BOOT_SIZE, "%.*s %s", MIN(len, 40), machine.data, id);
	else
		snprintf(out, WORKER_BOOT_SIZE, "%s", id);
}

/* Both tell their machine, and it is not the same. */
static bool is_of_another_machine(const char *boot, const char *ours)
{
	size_t len = strcspn(boot, " ");

	return boot[len] == ' ' && strchr(ours, ' ') != NULL && strncmp(boot, ours, len + 1) != 0;
}

static void begin(struct worker_watch *watch, const char *boot, const char *beat)
{
	watch->begun = true;
	watch->until = deadline_in(WATCH_MS);
	snprintf(watch->boot, sizeof(watch->boot), "%s", boot);
	snprintf(watch->beat, sizeof(watch->beat), "%s", beat);
}

static int judge(struct worker_watch *watch, const char *name, const char *boot, const char *beat,
		 struct error *err)
{
	if (!watch->begun) {
		begin(watch, boot, beat);
		return 0;
	}
	if (strcmp(watch->boot, boot) != 0 || strcmp(watch->beat, beat) != 0)
		return error_set(err, -EEXIST,
				 "another machine runs a worker named \"%s\": give each machine "
				 "a worker.host of its own",
				 name);
	return deadline_is_over(watch->until);
}

int worker_name_look(struct worker_watch *watch, const char *name, const char *boot, struct pg *pg,
		     struct error *err)
{
	CLEANUP(pg_result_cleanup) struct pg_result *r = NULL;
	int e = pg_exec(pg, "SELECT boot, beat FROM pensum.workers WHERE name = $1", 1, &name, &r,
			err);

	if (e < 0) {
		watch->begun = false; /* nor could it beat meanwhile */
		return e;
	}
	if (pg_rows(r) == 0 || !is_of_another_machine(pg_value(r, 0, 0), boot))
		return 1;
	return judge(watch, name, pg_value(r, 0, 0), pg_value(r, 0, 1), err);
}

int worker_name_beat(const char *name, const char *boot, int slots, struct counts *counts,
		     struct pg *pg, struct error *err)
{
	json_t *told = counts_to_json(counts);
	CLEANUP_FREE char *text = json_dumps(told, JSON_COMPACT);
	char slots_text[16];
	const char *params[] = { name, boot, slots_text, text };

	json_decref(told);
	snprintf(slots_text, sizeof(slots_text), "%d", slots);
	return pg_exec(
		pg,
		"INSERT INTO pensum.workers AS w (name, boot, beat, slots, counters) "
		"VALUES ($1, $2, 1, $3::integer, $4::jsonb) ON CONFLICT (name) DO UPDATE SET "
		"boot = $2, beat = w.beat + 1, slots = $3::integer, counters = $4::jsonb, "
		"seen_at = now()",
		ARRAY_LEN(params), params, NULL, err);
}
