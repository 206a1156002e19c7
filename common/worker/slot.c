#include "slot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bell.h"
#include "claim.h"
#include "daemon.h"
#include "end.h"
#include "log.h"
#include "mem.h"
#include "spool.h"
#include "tail.h"

#define COMMAND_MS   1000
#define AWAY_MS	     1000   /* pause between looks while something is away */
#define IDLE_PG_MS   5000   /* for the database's answers when no work would be lost */
#define SPOOL_MS     3000   /* finished work waits so long for the database, then on disk; */
#define END_MS	     120000 /* if it cannot, so long … */
#define END_TRY_MS   30000  /* … and the last try may take this */
#define CHECK_MS     30000  /* between two looks whether the record agrees that we are idle */
#define GONE_LOOK_MS 600000
#define SITE_UNKNOWN_MS 10000 /* until another worker is asked */

struct slot {
	const struct slot_config *config;
	struct vault *vault;
	struct spool spool;
	struct pg *pg;
	struct redis *redis;
	struct bell bell;
	unsigned own_pending_of;    /* redis_generation() whose pending entries were looked at */
	struct deadline next_check; /* of what the record says that we run */
	struct deadline next_gone;  /* look at what slots that are gone hold */
	bool unrung; /* the record had work for us that nobody rang for: look there first */
};

static work_run_fn *find_kind(const struct slot_config *c, enum job_kind kind)
{
	for (size_t i = 0; i < c->kind_count; i++)
		if (c->kinds[i].kind == kind)
			return c->kinds[i].run;
	return NULL;
}

/* What another attempt would find again, at a cost: to be done twice, or a wrong password told to
 * Moodle twice. */
static bool is_worth_keeping(enum job_state end)
{
	return end == JOB_SUCCEEDED || end == JOB_FAILED || end == JOB_WAITING;
}

static bool keep_job(struct slot *s, struct work *w, int rc)
{
	enum job_state end = end_state(w, rc);
	struct error err = { 0 };

	if (w->lost || !is_worth_keeping(end))
		return false;
	w->spooled = spool_save(&s->spool, w, end, &err) == 0;
	if (w->spooled)
		log_notice("job's end waits on disk", "attempt=%d", w->attempt);
	else
		log_warning("job's end cannot wait on disk", "err=\"%s\"", err.text);
	return w->spooled;
}

/* The work is done; only its record is missing. Wait for the database rather than do it again: that
 * is no longer the job's time, so the parent must not count it. */
static void end_job(struct slot *s, struct work *w, int rc)
{
	struct deadline patience = deadline_in(END_MS), spool_at = deadline_in(SPOOL_MS);
	struct error err;

	atomic_store(&s->config->watch->must_end_ms, patience.at_ms + END_TRY_MS);
	pg_set_patience(s->pg, 0);
	while (end_attempt(w, rc, &err) < 0) {
		s->next_check = deadline_in(0);
		if (deadline_is_over(spool_at) && keep_job(s, w, rc))
			break;
		if (deadline_is_over(patience)) {
			log_error("job's end not recorded", "err=\"%s\"", err.text);
			break;
		}
		log_warning("job's end not recorded yet", "err=\"%s\"", err.text);
		clock_sleep_ms(AWAY_MS);
	}
	pg_set_patience(s->pg, IDLE_PG_MS);
}

static void log_end(const struct work *w, int64_t ms)
{
	bool lost = w->event.state == JOB_RUNNING;

	log_info("job ended", "kind=%s attempt=%d outcome=%s code=%s ms=%lld",
		 job_kind_name(w->kind), w->attempt,
		 w->spooled ? "spooled"
		 : lost	    ? "lost"
			    : job_state_name(w->event.state),
		 w->failure_code, (long long)ms);
}

/* Another host's worker may know the site: it is being set up, or is gone from here already. */
static int run_kind(struct slot *s, struct work *w)
{
	work_run_fn *run = find_kind(s->config, w->kind);

	if (run == NULL)
		return work_fail(w, "bad_input", "This worker does not know that kind of job.");
	if (w->site == NULL) {
		w->retry_after_ms = SITE_UNKNOWN_MS;
		return work_fail(w, "site_unknown", NULL);
	}
	return run(w);
}

static void run_job(struct slot *s, struct work *w)
{
	int64_t started = clock_now_ms();
	int rc;

	tail_begin();
	log_set_context("job=%s", w->id);
	log_info("job started", "kind=%s attempt=%d user=%s pid=%d", job_kind_name(w->kind),
		 w->attempt, w->user_id, (int)getpid());
	w->deadline = deadline_in(s->config->time_limit_ms);
	atomic_store(&s->config->watch->must_end_ms, w->deadline.at_ms);
	work_progress(w, "starting", 0, 0, "");
	rc = run_kind(s, w);
	end_job(s, w, rc);
	atomic_store(&s->config->watch->must_end_ms, 0);
	log_end(w, clock_now_ms() - started);
	claim_done(w);
	log_set_context("%s", "");
	tail_begin();
}

static void work_init(struct slot *s, struct work *w)
{
	memset(w, 0, sizeof(*w));
	w->settings = s->config->settings;
	w->vault = s->vault;
	w->pg = s->pg;
	w->redis = s->redis;
	w->counts = s->config->counts;
	snprintf(w->worker, sizeof(w->worker), "%s", s->config->name);
}

/* 0, or negative when the database is away: the entry then stays ours to be read again, and the job
 * may be claimed all the same. */
static int serve_entry(struct slot *s, const struct entry *e, struct error *err)
{
	struct work w;
	int claimed = 0;

	work_init(s, &w);
	if (e->job[0] != '\0')
		claimed = claim_job(&w, e->job, e->attempt, err);
	if (claimed < 0) {
		s->next_check = deadline_in(0);
		return claimed;
	}
	if (claimed > 0)
		run_job(s, &w);
	bell_forget(&s->bell, e);
	return 0;
}

static int serve_entries(struct slot *s, const struct entry *entries, int count, struct error *err)
{
	for (int i = 0; i < count; i++) {
		int e;

		if (i > 0)
			redis_send(s->redis); /* before the next claim, which may take its time */
		e = serve_entry(s, &entries[i], err);
		if (e < 0) {
			s->own_pending_of = 0;
			return e;
		}
		if (daemon_stop_asked())
			break;
	}
	return 0;
}

/* After each new connection, and now and then: what an earlier life, a lost answer or a slot that
 * is gone left. */
static int serve_own_pending(struct slot *s, struct error *err)
{
	struct entry entries[BELL_ENTRIES];
	int count;

	bell_attend(&s->bell);
	do {
		count = bell_read_own(&s->bell, entries, err);
		if (count < 0 || serve_entries(s, entries, count, err) < 0)
			return -EIO;
	} while (count > 0 && !daemon_stop_asked());
	s->own_pending_of = redis_generation(s->redis);
	return 0;
}

/* No bell. */
static int serve_record(struct slot *s, struct error *err)
{
	struct work w;
	int claimed;

	work_init(s, &w);
	claimed = claim_next(&w, s->config->queue, err);
	if (claimed < 0)
		s->next_check = deadline_in(0);
	if (claimed > 0) {
		run_job(s, &w);
		redis_settle(s->redis, COMMAND_MS, NULL);
	}
	return claimed;
}

/* Nobody has rung for a while. When there is work all the same, the ringer is away: go on with the
 * next at once. (That the record is away is then told by check_idle.) */
static void serve_silence(struct slot *s)
{
	s->unrung = !daemon_stop_asked() && !s->config->urgent && serve_record(s, NULL) > 0;
}

static int serve_bell(struct slot *s, struct error *err)
{
	struct entry entries[BELL_ENTRIES];
	int count;

	if (s->own_pending_of != redis_generation(s->redis) || s->own_pending_of == 0) {
		int e = serve_own_pending(s, err);

		if (e < 0)
			return e;
	}
	count = bell_read_next(&s->bell, !s->unrung, entries, err);
	if (count == -EPROTO)
		s->own_pending_of = 0; /* NOGROUP, UNBLOCKED, LOADING, …: begin again */
	if (count < 0)
		return count;
	if (count == 0)
		serve_silence(s);
	return serve_entries(s, entries, count, err);
}

/* We run nothing now; what the record says that we run waits in the spool, or is from an answer
 * that was lost. */
static int check_idle(struct slot *s, struct error *err)
{
	int e;

	if (!deadline_is_over(s->next_check))
		return 0;
	redis_send(s->redis);
	e = spool_replay(&s->spool, s->config->name, s->pg, s->redis, err);
	if (e == 0)
		e = claim_release(s->pg, s->redis, s->config->name,
				  "The database was lost in the middle of this.", NULL, err);
	if (e < 0)
		return e;
	count_some(&s->config->counts->reclaimed[COUNT_RECLAIMED_ANSWER_LOST], e);
	s->next_check = deadline_in(CHECK_MS);
	if (deadline_is_over(s->next_gone)) {
		s->next_gone = deadline_in(GONE_LOOK_MS);
		s->own_pending_of = 0;
	}
	return 0;
}

static void serve(struct slot *s)
{
	struct error err;
	bool away = false;

	while (!daemon_stop_asked()) {
		int checked = check_idle(s, &err);
		int e = checked < 0 ? checked : serve_bell(s, &err);

		if (e == 0) {
			if (away)
				log_notice("back at the bell", "slot=%s", s->config->name);
			away = false;
			continue;
		}
		if (!away)
			log_warning(checked < 0 ? "no record, waiting for it"
						: "no bell, asking the record",
				    "err=\"%s\"", err.text);
		away = true;
		if ((checked < 0 || serve_record(s, &err) <= 0) && !daemon_stop_asked())
			clock_sleep_ms(AWAY_MS);
	}
}

static void end_for_memory(void)
{
	_exit(SLOT_EXIT_MEMORY);
}

/* What runs away ends this slot, not the machine. AddressSanitizer needs more than anybody has. */
static void bound_memory(const struct settings *s)
{
	rlim_t bytes = (rlim_t)s->worker_slot_memory_mb * 1024 * 1024;
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	mem_on_failure(end_for_memory);
#ifndef __SANITIZE_ADDRESS__
	if (bytes > 0 && setrlimit(RLIMIT_DATA, &limit) < 0)
		log_warning("memory is not limited", "err=\"%s\"", strerror(errno));
#else
	(void)limit;
#endif
}

int slot_main(const struct slot_config *config)
{
	struct slot s = { .config = config };
	struct error err;

	bound_memory(config->settings);
	if (vault_open(config->settings, &s.vault, &err) < 0 ||
	    pg_new(config->settings, config->name, &s.pg, &err) < 0 ||
	    redis_new(config->settings, &s.redis, &err) < 0) {
		log_error("slot cannot start", "err=\"%s\"", err.text);
	} else {
		pg_set_patience(s.pg, IDLE_PG_MS);
		bell_init(&s.bell, s.redis, config->queue, config->name, config->urgent);
		spool_init(&s.spool, config->settings, s.vault, config->counts);
		serve(&s);
		redis_settle(s.redis, COMMAND_MS, NULL);
	}
	redis_free(s.redis);
	pg_free(s.pg);
	vault_free(s.vault);
	return daemon_stop_asked() ? 0 : 1;
}
