/*
 * pensum-gateway: the HTTP API, the live channel and the web page, in one thread on one event base;
 * passwords are checked in a helper thread (hasher.h).
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends.h"
#include "clock.h"
#include "cleanup.h"
#include "daemon.h"
#include "gateway.h"
#include "hasher.h"
#include "farewell.h"
#include "feeder.h"
#include "housekeeping.h"
#include "http_server.h"
#include "hub.h"
#include "live.h"
#include "log.h"
#include "mem.h"
#include "migrate.h"
#include "options.h"
#include "pool_ask.h"
#include "positions.h"
#include "session_recent.h"
#include "static.h"
#include "submit_queue.h"
#include "traffic.h"

#define PG_CONNECTIONS 4
#define GRACE_MS       5000
#define GRACE_STEP_MS  20
#define FLUSH_TURNS    10
#define LOOK_S	       5

struct run {
	struct gateway g;
	struct housekeeping *housekeeping;
	struct event *term, *interrupt; /* signals */
	struct event *grace;		/* after the signal: is everything answered? */
	struct event *look;		/* says what is away, and tells systemd that we live */
	struct deadline stop_by;
	bool stopping, pg_up, pg_refuses, redis_up, redis_refuses;
};

static bool migrate, migrate_first;
static const struct option_flag flags[] = {
	{ "--migrate", &migrate, "bring the database to this version's schema, exit" },
	{ "--migrate-first", &migrate_first, "the same, then serve" },
};
static int check_start(const struct settings *s, struct error *err)
{
	int r = static_check(s, err);

	if (r == 0)
		r = backends_check(s, err);
	if (r == 0)
		r = store_check(s, err);
	if (r == 0)
		r = http_server_check(s->gateway_listen, err);
	if (r == 0)
		r = http_server_check(s->gateway_admin_listen, err);
	return r;
}

static const struct program program = {
	.name = "pensum-gateway",
	.summary = "serves the page, the API and the live channel",
	.flags = flags,
	.flag_count = ARRAY_LEN(flags),
	.needs_site = true,
	.check_start = check_start,
};

static int run_migrate(const struct settings *s)
{
	struct error err = { 0 };
	int r = migrate_run(s, &err);

	if (r < 0)
		log_error("migration failed", "reason=\"%s\"", err.text);
	fflush(stdout);
	return r;
}

/* Just as many as the limits need: libwebsockets makes tables for all that it could get. */
static void limit_descriptors(const struct settings *s)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)(s->gateway_max_connections + s->gateway_max_live +
				 HTTP_ADMIN_CONNECTIONS + 192);

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < wanted)
		log_warning("fewer descriptors than the limits need", "have=%llu want=%llu",
			    (unsigned long long)limit.rlim_max, (unsigned long long)wanted);
	limit.rlim_cur = MIN(wanted, limit.rlim_max);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_events_up(bool up, void *arg)
{
	struct gateway *g = arg;

	if (g->hub != NULL)
		hub_feed_up(g->hub, up);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;
	bool pg_up = pgloop_is_up(run->g.pg), redis_up = redisloop_is_up(run->g.redis);
	const char *refusal = redisloop_refusal(run->g.redis);
	const char *pg_refusal = pgloop_refusal(run->g.pg);

	(void)fd;
	(void)what;
	daemon_notify("WATCHDOG=1");
	if (pg_up != run->pg_up)
		log_write(pg_up ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
			  pg_up ? "postgres is there" : "postgres is away", "reason=\"%s\"",
			  pg_up ? "" : pgloop_reason(run->g.pg));
	if (pg_refusal != NULL && !run->pg_refuses)
		log_warning("postgres refuses", "reason=\"%s\"", pg_refusal);
	if (redis_up != run->redis_up)
		log_write(redis_up ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
			  redis_up ? "redis is there" : "redis is away", "reason=\"%s\"",
			  redis_up ? "" : redisloop_reason(run->g.redis));
	if (refusal != NULL && !run->redis_refuses)
		log_warning("redis refuses", "reason=\"%s\"", refusal);
	run->pg_up = pg_up;
	run->pg_refuses = pg_refusal != NULL;
	run->redis_up = redis_up;
	run->redis_refuses = refusal != NULL;
}

static size_t running_requests(const struct gateway *g)
{
	return http_server_running(g->server) + http_server_running(g->admin_server);
}

static void on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct timeval again = { 0, GRACE_STEP_MS * 1000 };
	struct run *run = arg;

	(void)fd;
	(void)what;
	if ((running_requests(&run->g) == 0 && live_count(run->g.live) == 0) ||
	    deadline_is_over(run->stop_by))
		event_base_loopbreak(run->g.base);
	else
		event_add(run->grace, &again);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct timeval soon = { 0, GRACE_STEP_MS * 1000 };
	struct run *run = arg;

	(void)what;
	if (run->stopping)
		return;
	log_notice("stopping", "signal=%d requests=%zu channels=%zu", (int)sig,
		   running_requests(&run->g), live_count(run->g.live));
	daemon_notify("STOPPING=1");
	run->stopping = true;
	run->stop_by = deadline_in(GRACE_MS);
	http_server_stop(run->g.server);
	http_server_stop(run->g.admin_server);
	live_stop(run->g.live);
	cleanup_stop(&run->g);
	event_add(run->grace, &soon);
}

static int build_backends(struct gateway *g, struct error *err)
{
	int r = vault_open(g->settings, &g->vault, err);

	if (r == 0)
		r = store_open(g->settings, &g->store, err);
	if (r == 0)
		r = pgloop_new(g->base, g->settings, PG_CONNECTIONS, &g->pg, err);
	if (r == 0)
		r = redisloop_new(g->base, g->settings, NULL, NULL, &g->redis, err);
	if (r == 0)
		r = redisloop_new(g->base, g->settings, on_events_up, g, &g->redis_events, err);
	if (r == 0)
		r = hasher_new(g->base, g->vault, &g->hasher, err);
	return r;
}

static int build(struct run *run, struct error *err)
{
	struct gateway *g = &run->g;
	int r = static_check(g->settings, err);

	g->traffic = traffic_new();
	if (r == 0)
		r = build_backends(g, err);
	if (r < 0)
		return r;
	g->positions = positions_new(g);
	g->submits = submit_queue_new(g);
	g->sessions = session_recent_new();
	g->hub = hub_new(g);
	r = live_new(g, &g->live, err);
	if (r == 0)
		r = http_server_new(g, g->settings->gateway_listen, false, &g->server, err);
	if (r == 0)
		r = http_server_new(g, g->settings->gateway_admin_listen, true, &g->admin_server,
				    err);
	if (r == 0)
		run->housekeeping = housekeeping_start(g);
	if (r == 0)
		g->feeder = feeder_start(g);
	return r;
}

static void watch(struct run *run)
{
	struct timeval look = { LOOK_S, 0 };

	run->pg_up = run->redis_up = true; /* until seen otherwise: only changes are logged */
	run->term = evsignal_new(run->g.base, SIGTERM, on_signal, run);
	run->interrupt = evsignal_new(run->g.base, SIGINT, on_signal, run);
	run->grace = evtimer_new(run->g.base, on_grace, run);
	run->look = event_new(run->g.base, -1, EV_PERSIST, on_look, run);
	event_add(run->term, NULL);
	event_add(run->interrupt, NULL);
	event_add(run->look, &look);
}

/* libevent's loop with uv's inside (live_loop.h); hence not event_base_dispatch(). */
static void loop(struct run *run)
{
	while (!event_base_got_break(run->g.base)) {
		live_before_wait(run->g.live);
		event_base_loop(run->g.base, EVLOOP_ONCE);
		live_after_wait(run->g.live);
	}
}

/* Nothing new can begin, and all callbacks are called: handlers answer. */
static void close_all(struct gateway *g)
{
	pool_ask_end_all(g);
	if (g->hasher != NULL)
		hasher_close(g->hasher);
	if (g->redis != NULL)
		redisloop_close(g->redis);
	if (g->redis_events != NULL)
		redisloop_close(g->redis_events);
	if (g->pg != NULL)
		pgloop_close(g->pg);
	if (g->server != NULL)
		http_server_end_requests(g->server);
	if (g->admin_server != NULL)
		http_server_end_requests(g->admin_server);
	for (int turn = 0; turn < FLUSH_TURNS; turn++) /* the answers go out */
		event_base_loop(g->base, EVLOOP_NONBLOCK);
}

static void tear_down(struct run *run)
{
	struct gateway *g = &run->g;

	housekeeping_stop(run->housekeeping);
	farewell_stop(g);
	feeder_stop(g->feeder);
	g->feeder = NULL;
	close_all(g);
	http_server_free(g->admin_server);
	http_server_free(g->server);
	live_free(g->live);
	hub_free(g->hub);
	session_recent_free(g->sessions);
	submit_queue_free(g->submits);
	positions_free(g->positions);
	hasher_free(g->hasher);
	redisloop_free(g->redis_events);
	redisloop_free(g->redis);
	pgloop_free(g->pg);
	store_free(g->store);
	vault_free(g->vault);
	traffic_free(g->traffic);
	for (size_t i = 0; i < 4; i++) {
		struct event *event =
			(struct event *[]){ run->term, run->interrupt, run->grace, run->look }[i];

		if (event != NULL)
			event_free(event);
	}
	event_base_free(g->base);
	libevent_global_shutdown();
}

/* What epoll is to wait for is told it once before each wait: a request changes it several times. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	if (base == NULL)
		abort();
	event_config_free(config);
	return base;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct run run = { .g.settings = &settings };
	struct error err = { 0 };
	int r = 0, done = options_start(&program, argc, argv, &settings);

	if (done >= 0)
		return done;
	log_open("gateway", (enum log_level)settings.log_level);
	daemon_prepare();
	json_set_alloc_funcs(malloc, mem_wipe_free); /* a sign-in's body has a password */
	if (migrate || migrate_first)
		r = run_migrate(&settings);
	if (migrate || r < 0) {
		settings_done(&settings);
		return r < 0 ? options_exit_code(r) : EXIT_SUCCESS;
	}
	limit_descriptors(&settings);
	srandom((unsigned)(clock_now_ms() ^ getpid())); /* jitter only */
	run.g.started_ms = clock_now_ms();
	run.g.base = new_base();
	r = build(&run, &err);
	if (r == 0) {
		watch(&run);
		log_notice("ready", "version=%s pid=%d", pensum_version, (int)getpid());
		daemon_notify("READY=1");
		loop(&run);
	} else {
		log_error("cannot start", "reason=\"%s\"", err.text);
	}
	tear_down(&run);
	settings_done(&settings);
	return r < 0 ? options_exit_code(r) : EXIT_SUCCESS;
}
