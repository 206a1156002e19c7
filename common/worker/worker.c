#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.h"
#include "child.h"
#include "claim.h"
#include "daemon.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "spool.h"
#include "store.h"
#include "worker_name.h"

#define TURN_MS	    100
#define STOP_MS	    15000 /* slots hand their jobs back within this */
#define AGAIN_MS    500	  /* between two tries to reach the database */
#define WORD_MS	    30000 /* between two lines about a database that stays away */
#define PG_MS	    3000

struct parent {
	const struct worker_program *wp;
	const struct settings *settings;
	struct child *children;
	int count;
	struct slot_watch *watches;
	struct counts *counts;
	struct vault *vault;
	struct spool spool;
	struct pg *pg;
	struct redis *redis;
	char name[WORKER_NAME_SIZE]; /* host:queue */
	char boot[WORKER_BOOT_SIZE];
	struct worker_watch watch; /* of who else has the name */
	bool is_named;		   /* nobody; before that nothing is given back */
	struct deadline next_beat, next_word; /* next_word: that the database is still away */
	bool released; /* what an earlier life left running has been given back */
};

/* Zeroed; the slots have it, too. */
static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void make_children(struct parent *p)
{
	bool checker = p->wp->queue == JOB_QUEUE_CHECKER;
	int64_t usual = checker ? p->settings->checker_slots : p->settings->docgen_slots;
	int64_t slots = usual + (checker ? p->settings->checker_urgent_slots : 0);
	int64_t limit_s = checker ? p->settings->checker_time_limit_s
				  : p->settings->docgen_time_limit_s;

	p->count = (int)slots;
	p->children = mem_zalloc_array((size_t)slots, sizeof(*p->children));
	p->watches = shared_memory((size_t)slots * sizeof(*p->watches));
	p->counts = shared_memory(sizeof(*p->counts));
	spool_init(&p->spool, p->settings, p->vault, p->counts);
	for (int i = 0; i < p->count; i++) {
		struct slot_config c = { .settings = p->settings,
					 .queue = p->wp->queue,
					 .kinds = p->wp->kinds,
					 .kind_count = p->wp->kind_count,
					 .time_limit_ms = limit_s * 1000,
					 .urgent = i >= usual,
					 .watch = &p->watches[i],
					 .counts = p->counts };

		snprintf(c.name, sizeof(c.name), "%s:%d", p->name, i);
		child_init(&p->children[i], &c);
	}
}

static void start_missing(struct parent *p)
{
	for (int i = 0; i < p->count; i++) {
		struct child *c = &p->children[i];

		if (c->pid != 0 || c->to_release || !deadline_is_over(c->next_start))
			continue;
		/* A child would hold them open for as long as it lives, and could speak on them. */
		pg_disconnect(p->pg);
		redis_disconnect(p->redis);
		child_start(c);
	}
}

static struct child *find_child(struct parent *p, pid_t pid)
{
	for (int i = 0; i < p->count; i++)
		if (p->children[i].pid == pid)
			return &p->children[i];
	return NULL;
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find_child(p, pid);

		if (c != NULL)
			child_ended(c, status);
	}
}

/* What a dead slot, or all of this name, has done is recorded; what it was doing goes back. */
static int give_back(struct parent *p, const char *worker, const char *message, const char *tail,
		     enum count_reclaimed why, struct error *err)
{
	int r = spool_replay(&p->spool, worker, p->pg, p->redis, err);

	if (r == 0)
		r = claim_release(p->pg, p->redis, worker, message, tail, err);
	count_some(&p->counts->reclaimed[why], r);
	return MIN(r, 0);
}

static int release_child(struct parent *p, struct child *c, struct error *err)
{
	CLEANUP_FREE char *tail = tail_text(&c->tail);

	return give_back(p, c->config.name, c->fate, tail,
			 c->overdue ? COUNT_RECLAIMED_OVERDUE : COUNT_RECLAIMED_CRASHED, err);
}

static void release_dead(struct parent *p)
{
	struct error err;

	for (int i = 0; i < p->count; i++) {
		struct child *c = &p->children[i];

		if (!c->to_release || !deadline_is_over(c->next_start))
			continue;
		if (release_child(p, c, &err) < 0) {
			log_warning("dead slot's job not released yet", "slot=%s err=\"%s\"",
				    c->config.name, err.text);
			c->next_start = deadline_in(CHILD_RESTART_MS);
			return; /* no other would be either; back to the watch */
		}
		child_released(c);
	}
}

static void kill_overdue(struct parent *p)
{
	for (int i = 0; i < p->count; i++)
		child_kill_overdue(&p->children[i]);
}

static void read_tails(struct parent *p)
{
	for (int i = 0; i < p->count; i++)
		tail_read(&p->children[i].tail);
}

static int beat_now(struct parent *p, struct error *err)
{
	return worker_name_beat(p->name, p->boot, p->count, p->counts, p->pg, err);
}

static void beat(struct parent *p)
{
	struct error err;

	if (!deadline_is_over(p->next_beat))
		return;
	p->next_beat = deadline_in(WORKER_BEAT_MS);
	daemon_notify("WATCHDOG=1"); /* we live, whether the database does or not */
	if (beat_now(p, &err) < 0)
		log_warning("no heartbeat", "err=\"%s\"", err.text);
}

static void tell_away(struct parent *p, const struct error *err)
{
	if (deadline_is_over(p->next_word)) {
		log_warning("record not reached, waiting for it", "err=\"%s\"", err->text);
		p->next_word = deadline_in(WORD_MS);
	}
	clock_sleep_ms(AGAIN_MS);
}

/* Jobs that this name was running when an earlier life of it ended. Nothing runs before the row is
 * there by which the gateway would notice our death. */
static void release_earlier_life(struct parent *p)
{
	struct error err;

	if (p->released)
		return;
	if (beat_now(p, &err) == 0 &&
	    give_back(p, p->name, "The worker was started again.", NULL, COUNT_RECLAIMED_RESTARTED,
		      &err) == 0) {
		p->released = true;
		daemon_notify("READY=1\nSTATUS=%d slots", p->count);
		log_notice("worker ready", "name=%s slots=%d version=%s", p->name, p->count,
			   pensum_version);
	} else {
		tell_away(p, &err);
	}
}

static bool any_running(const struct parent *p)
{
	for (int i = 0; i < p->count; i++)
		if (p->children[i].pid != 0)
			return true;
	return false;
}

static void signal_children(const struct parent *p, int sig)
{
	for (int i = 0; i < p->count; i++)
		if (p->children[i].pid != 0)
			kill(p->children[i].pid, sig);
}

static void stop(struct parent *p)
{
	struct deadline patience = deadline_in(STOP_MS);
	struct error err;

	daemon_notify("STOPPING=1");
	signal_children(p, SIGTERM);
	while (any_running(p) && !deadline_is_over(patience)) {
		clock_sleep_ms(TURN_MS);
		read_tails(p);
		reap(p);
	}
	signal_children(p, SIGKILL);
	while (any_running(p)) {
		clock_sleep_ms(TURN_MS);
		reap(p);
	}
	/* What stays is given back by the gateway, which needs our row for that. */
	if (give_back(p, p->name, "The worker was stopped.", NULL, COUNT_RECLAIMED_STOPPED,
		      &err) == 0)
		pg_exec(p->pg, "DELETE FROM pensum.workers WHERE name = $1 AND boot = $2", 2,
			(const char *const[]){ p->name, p->boot }, NULL, NULL);
	else
		log_warning("jobs not given back at the end", "err=\"%s\"", err.text);
}

/* 0, or -EEXIST: the name is another machine's, whose jobs are left alone. */
static int take_name(struct parent *p)
{
	struct error err;
	int r = p->is_named ? 1 : worker_name_look(&p->watch, p->name, p->boot, p->pg, &err);

	if (r == -EEXIST)
		log_error("cannot start", "err=\"%s\"", err.text);
	else if (r < 0)
		tell_away(p, &err);
	else
		p->is_named = r > 0;
	return r == -EEXIST ? r : 0;
}

static int supervise(struct parent *p)
{
	while (!daemon_stop_asked()) {
		int r = take_name(p);

		if (r < 0)
			return r;
		if (p->is_named)
			release_earlier_life(p);
		if (p->released) {
			read_tails(p);
			reap(p);
			release_dead(p);
			start_missing(p);
			kill_overdue(p);
			beat(p);
		}
		clock_sleep_ms(TURN_MS);
	}
	if (p->is_named)
		stop(p);
	return 0;
}

/* A key or a folder that cannot be used is told now, not at the first job. */
static int check_files(const struct worker_program *wp, const struct settings *s, struct error *err)
{
	struct vault *v = NULL;
	struct store *st = NULL;
	struct error why;
	int r = vault_open(s, &v, err);

	if (r == 0 && wp->queue == JOB_QUEUE_DOCGEN)
		r = store_open(s, &st, err);
	if (r == 0 && st != NULL && access(s->documents_dir, W_OK | X_OK) < 0)
		r = error_set(err, -errno, "documents.dir = \"%s\": %s", s->documents_dir,
			      strerror(errno));
	if (r == 0 && spool_check(s, &why) < 0)
		log_warning("finished work cannot wait on disk", "why=\"%s\"", why.text);
	store_free(st);
	vault_free(v);
	return r;
}

static int build(struct parent *p, struct error *err)
{
	int r = check_files(p->wp, p->settings, err);

	if (r == 0)
		r = vault_open(p->settings, &p->vault, err);
	if (r == 0)
		r = pg_new(p->settings, p->name, &p->pg, err);
	if (r == 0)
		r = redis_new(p->settings, &p->redis, err);
	return r;
}

int worker_check_start(const struct settings *s, struct error *err)
{
	int r = backends_check(s, err);

	if (r == 0 && file_check_dir(s->worker_spool_dir, err) < 0)
		r = error_prefix(err, "worker.spool_dir = \"%s\"", s->worker_spool_dir);
	return r;
}

int worker_main(const struct worker_program *wp, int argc, char **argv)
{
	struct settings s;
	struct parent p = { .wp = wp, .settings = &s };
	struct error err;
	int done = options_start(&wp->program, argc, argv, &s);
	int r;

	if (done >= 0)
		return done;
	log_open(wp->program.name + strlen("pensum-"), (enum log_level)s.log_level);
	daemon_prepare();
	daemon_catch_stop();
	json_set_alloc_funcs(mem_malloc, mem_wipe_free);
	worker_name_make(&s, wp->queue, p.name);
	r = build(&p, &err);
	if (r < 0) {
		log_error("cannot start", "err=\"%s\"", err.text);
	} else {
		pg_set_patience(p.pg, PG_MS);
		worker_boot_make(p.boot);
		make_children(&p);
		r = supervise(&p) == -EEXIST ? -EINVAL : 0;
		munmap(p.watches, (size_t)p.count * sizeof(*p.watches));
		munmap(p.counts, sizeof(*p.counts));
	}
	for (int i = 0; i < p.count; i++)
		child_done(&p.children[i]);
	free(p.children);
	vault_free(p.vault);
	redis_free(p.redis);
	pg_free(p.pg);
	settings_done(&s);
	return r < 0 ? options_exit_code(r) : EXIT_SUCCESS;
}
