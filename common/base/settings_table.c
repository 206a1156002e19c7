#include "settings.h"

#include <stddef.h>

#include "log.h"
#include "mem.h"

static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const forwarded_modes[] = { "off", "loopback", NULL };
static const char *const site_roads[] = { "auto", "browser", "service", NULL };
static const char *const sandbox_modes[] = { "on", "off", NULL };
static const char *const network_places[] = { "inside", "apart", NULL };

#define TEXT(KEY, FIELD, DEF, HELP) \
	{ .key = KEY, .type = SETTING_TEXT, .offset = offsetof(struct settings, FIELD), \
	  .def = DEF, .help = HELP }
#define URL(KEY, FIELD, DEF, HELP) \
	{ .key = KEY, .type = SETTING_URL, .offset = offsetof(struct settings, FIELD), \
	  .def = DEF, .help = HELP }
#define ADDRESS(KEY, FIELD, DEF, HELP) \
	{ .key = KEY, .type = SETTING_ADDRESS, .offset = offsetof(struct settings, FIELD), \
	  .def = DEF, .help = HELP }
#define INT(KEY, FIELD, DEF, MIN, MAX, HELP) \
	{ .key = KEY, .type = SETTING_INT, .offset = offsetof(struct settings, FIELD), \
	  .def = DEF, .min = MIN, .max = MAX, .help = HELP }
#define CHOICE(KEY, FIELD, DEF, CHOICES, BASE, HELP) \
	{ .key = KEY, .type = SETTING_CHOICE, .offset = offsetof(struct settings, FIELD), \
	  .def = DEF, .choices = CHOICES, .choice_base = BASE, .help = HELP }

const struct setting settings_table[] = {
	CHOICE("log.level", log_level, "info", log_levels, LOG_LEVEL_ERROR,
	       "Least important kind of line that is still logged."),

	TEXT("site.name", site.name, "Moodle", "The Moodle site's name, as the page shows it."),
	URL("site.url", site.url, "",
	    "The Moodle site's address (its wwwroot), e.g. https://moodle.example.edu."),
	TEXT("site.login_path", site.login_path, "/login/index.php",
	     "Path below site.url of the page with the sign-in form, where the site has its own."),
	TEXT("site.recipe", site.recipe, "",
	     "File that tells how to sign in where the site sends students to another one for it "
	     "(recipe of selectors, JSON). Empty: Moodle's own form."),
	CHOICE("site.road", site.road, "auto", site_roads, SITE_ROAD_AUTO,
	       "How checks and course lists are read: auto (by Moodle's mobile web service where the "
	       "site offers it, else in a browser), browser (always), service (never in a browser)."),
	TEXT("site.user_agent_suffix", site.user_agent_suffix, "Pensum/%v",
	     "Stands behind the browser's own User-Agent, so that the site knows who asks; %v is our "
	     "version. Empty: nothing."),
	INT("site.max_running", site.max_running, "8", 0, 1000,
	    "Jobs that may visit the site at one time, of all its students, over all workers and hosts; "
	    "0: no limit."),
	INT("site.requests_per_s", site.requests_per_s, "0", 0, 1000,
	    "Requests to the site a second, of all jobs together, on average; 0: no limit."),
	TEXT("sites.dir", sites_dir, SITES_DEFAULT_DIR,
	     "Folder of further Moodle sites, a file ID.conf each (ID: 1 to 32 of a-z, 0-9 and -) with "
	     "the keys of site.*: name = ..., url = .... May be absent; empty: none."),

	ADDRESS("redis.address", redis_address, "unix:/run/redis/redis-server.sock",
		"Redis: unix:/path, or address:port with a literal address."),
	TEXT("redis.password_file", redis_password_file, "",
	     "File with the Redis password; the credential pensum-redis wins over it."),
	TEXT("postgres.conninfo", postgres_conninfo, "dbname=pensum",
	     "PostgreSQL connection string of libpq, without a password."),
	TEXT("postgres.password_file", postgres_password_file, "",
	     "File with the PostgreSQL password; the credential pensum-postgres wins over it."),
	TEXT("secrets.key_file", key_file, "/etc/pensum/key",
	     "File with the 64 hex digits that seal passwords and cookies; the credential "
	     "pensum-key wins over it."),

	ADDRESS("gateway.listen", gateway_listen, "127.0.0.1:8080",
		"Address and port of the page and the API."),
	ADDRESS("gateway.admin_listen", gateway_admin_listen, "127.0.0.1:8081",
		"Address and port for operators (health, admin); keep it on loopback."),
	URL("gateway.public_url", gateway_public_url, "",
	    "What students type, e.g. https://pensum.example.edu: decides the allowed Origin and "
	    "Secure cookies. Empty: http:// and the Host of each request."),
	TEXT("gateway.web_dir", gateway_web_dir, "/usr/share/pensum/web",
	     "Folder of the page's files."),
	TEXT("gateway.sql_dir", gateway_sql_dir, "/usr/share/pensum/sql",
	     "Folder of the migrations that pensum-gateway --migrate applies."),
	INT("gateway.max_connections", gateway_max_connections, "1024", 8, 100000,
	    "HTTP connections at one time; more wait in the kernel."),
	INT("gateway.max_live", gateway_max_live, "1000", 1, 100000,
	    "Live channels (WebSockets) at one time; more get 503."),
	INT("gateway.user_live", gateway_user_live, "10", 1, 100000,
	    "Of these, channels of one student; more get 429."),
	INT("gateway.max_body_bytes", gateway_max_body_bytes, "65536", 1024, 1048576,
	    "Largest request body, bytes; more gets 413."),
	CHOICE("gateway.forwarded", gateway_forwarded, "loopback", forwarded_modes, FORWARDED_OFF,
	       "Whose X-Forwarded-For is believed for the limits by address: a proxy's on this machine "
	       "(loopback), or nobody's (off)."),

	INT("limits.signins_per_user", limits_signins_per_user, "10", 1, 1000000,
	    "Tries to sign in with one username, a minute; so many at once, too. As all limits here: "
	    "over all gateways."),
	INT("limits.signins_per_address", limits_signins_per_address, "60", 1, 1000000,
	    "Tries to sign in from one address (IPv6: one /64), a minute."),
	INT("limits.writes_per_user", limits_writes_per_user, "120", 0, 1000000,
	    "Requests of one student that change something, a minute; 0: no limit."),
	INT("limits.writes_per_address", limits_writes_per_address, "1200", 0, 1000000,
	    "The same from one address, which a campus may share; 0: no limit."),
	INT("limits.reads_per_user", limits_reads_per_user, "6000", 0, 10000000,
	    "Other requests of one student, a minute; 0: no limit."),
	INT("limits.reads_per_address", limits_reads_per_address, "60000", 0, 10000000,
	    "The same from one address; 0: no limit."),
	INT("limits.gateways", limits_gateways, "1", 1, 1000,
	    "How many gateways share the limits while Redis cannot count for all of them."),
	INT("limits.pool_waiting_percent", limits_pool_waiting_percent, "90", 0, 100,
	    "New jobs get 503 while browser-pool's queue is this full; 0: never."),

	INT("session.ttl_s", session_ttl_s, "28800", 60, 2592000,
	    "A browser's sign-in to Pensum lasts this long, seconds."),
	INT("cache.moodle_session_s", cache_moodle_session_s, "14400", 1, 604800,
	    "Moodle cookies and the password verifier are kept this long, seconds."),
	INT("cache.courses_s", cache_courses_s, "43200", 1, 604800,
	    "The course list is kept this long, seconds, or until it has been read again."),
	INT("cache.courses_fresh_s", cache_courses_fresh_s, "3600", 0, 604800,
	    "Who asks for a list that is older gets it, and it is read anew meanwhile; 0: never."),

	INT("jobs.max_attempts", jobs_max_attempts, "3", 1, 20,
	    "A job that keeps failing for passing reasons is tried this often."),
	INT("jobs.retry_base_ms", jobs_retry_base_ms, "1000", 10, 600000,
	    "Pause before the second attempt, milliseconds; doubles each time, with jitter."),
	INT("jobs.per_user", jobs_per_user, "20", 1, 1000,
	    "Jobs that one student may have queued or running."),
	INT("jobs.per_user_running", jobs_per_user_running, "4", 1, 1000,
	    "Of these, jobs that run at one time; sign-ins are counted apart."),
	INT("jobs.max_queued", jobs_max_queued, "20000", 1, 10000000,
	    "Jobs of one queue that may wait, of all students; more get 503."),
	INT("jobs.keep_s", jobs_keep_s, "604800", 3600, 31536000,
	    "Finished jobs stay in PostgreSQL this long, seconds."),
	INT("audit.keep_s", audit_keep_s, "7776000", 3600, 315360000,
	    "The audit trail of submissions and ends is kept this long, seconds."),
	INT("calendar.keep_s", calendar_keep_s, "15552000", 86400, 315360000,
	    "A calendar link that no calendar asks for ends after this long, seconds."),

	TEXT("worker.host", worker_host, "",
	     "Name of this host in consumer names and in the workers table, which no other may have: a worker does "
	     "not start while one of another machine has it (containers of one machine are not told apart). "
	     "Empty: the host name."),
	TEXT("worker.spool_dir", worker_spool_dir, "/var/lib/pensum/spool",
	     "Folder of this host's own disk where finished work waits, sealed, while PostgreSQL is "
	     "away."),
	INT("worker.spool_max_mb", worker_spool_max_mb, "64", 1, 4096,
	    "It may hold this much, MiB; what is more waits in memory for two minutes."),
	INT("worker.slot_memory_mb", worker_slot_memory_mb, "512", 0, 65536,
	    "Memory of its own that one slot may take, MiB; a job that needs more costs its attempt. "
	    "0: no limit."),
	INT("checker.slots", checker_slots, "3", 1, 64,
	    "Jobs that pensum-checker-worker runs at one time, one process each."),
	INT("checker.urgent_slots", checker_urgent_slots, "1", 0, 16,
	    "Beside these, so many more for what somebody waits for (sign-ins, course lists) and what "
	    "has waited for a minute: so that it need not wait for the end of a check."),
	INT("checker.time_limit_s", checker_time_limit_s, "120", 5, 3600,
	    "A checker job may take this long, seconds."),
	INT("docgen.slots", docgen_slots, "2", 1, 64,
	    "Jobs that pensum-docgen-worker runs at one time, one process each."),
	INT("docgen.time_limit_s", docgen_time_limit_s, "60", 5, 3600,
	    "A document job may take this long, seconds."),

	TEXT("documents.dir", documents_dir, "/var/lib/pensum/documents",
	     "Folder of the finished documents; gateway and docgen-worker share it."),
	INT("documents.ttl_s", documents_ttl_s, "21600", 60, 31536000,
	    "A document is kept, and linked again for the same content, this long, seconds."),
	INT("documents.link_s", documents_link_s, "900", 10, 86400,
	    "A download link works this long, seconds."),

	TEXT("pool.socket", pool_socket, "/run/pensum/pensum-pool.sock",
	     "Unix socket on which browser-pool lends pages."),
	TEXT("pool.browser", pool_browser, "/usr/lib/chromium/chromium-headless-shell",
	     "The browser's binary (not a wrapper script); any that speaks CDP on a pipe."),
	TEXT("pool.run_dir", pool_run_dir, "/run/pensum/browsers",
	     "Folder for browser profiles; emptied at start."),
	CHOICE("pool.sandbox", pool_sandbox, "on", sandbox_modes, POOL_SANDBOX_ON,
	       "Chromium's sandbox. off is for tests run by root, never for other people's pages."),
	CHOICE("pool.network", pool_network, "inside", network_places, POOL_NETWORK_INSIDE,
	       "Where Chromium's network code runs: inside the browser's first process, or apart, in "
	       "one of its own (12 MB more). When that one dies, its browser is replaced as well."),
	INT("pool.max_browsers", pool_max_browsers, "0", 0, 64,
	    "Chromium processes (leaders) at one time, dying ones counted; 0: as fits the memory."),
	INT("pool.max_pages", pool_max_pages, "0", 0, 256,
	    "Pages at one time, over all browsers; 0: as fits the memory."),
	INT("pool.max_waiting", pool_max_waiting, "64", 0, 10000,
	    "Workers that may wait for a page; more are refused."),
	INT("pool.client_max_waiting", pool_client_max_waiting, "32", 1, 10000,
	    "Of these, requests of one client (what it calls itself, or else one process)."),
	INT("pool.client_max_pages", pool_client_max_pages, "0", 0, 256,
	    "Pages lent to one client at one time; its further requests wait. 0: no limit."),
	INT("pool.wait_s", pool_wait_s, "60", 1, 3600, "Longest wait for a page, seconds."),
	INT("pool.lease_s", pool_lease_s, "180", 1, 3600,
	    "Longest lease, seconds; a worker may ask for less."),
	INT("pool.keep_s", pool_keep_s, "120", 0, 3600,
	    "A signed-in student's page is kept for the next job at most this long, seconds; 0: "
	    "never."),
	INT("pool.idle_s", pool_idle_s, "300", 0, 86400,
	    "When no page was lent, waited for or kept for this long, the browsers end, and start "
	    "again on demand, seconds; so does one that was more than enough for this long. 0: "
	    "never."),
	INT("pool.page_memory_mb", pool_page_memory_mb, "0", 0, 16384,
	    "A page whose process takes more memory of its own, MiB (at least 128), is killed "
	    "(page_oom). The kernel gives no browser process more than 256 above it. 0: as fits the "
	    "memory."),
	INT("pool.min_available_mb", pool_min_available_mb, "0", 0, 1048576,
	    "No page is made or lent below this much available memory, MiB: requests wait. 0: 8 % "
	    "of the memory, between 64 and 512."),
	INT("pool.max_pressure", pool_max_pressure, "20", 0, 100,
	    "Nor while programs wait for memory for more than this percentage of the time (PSI, "
	    "some avg10). 0: any."),
	INT("pool.recycle_leases", pool_recycle_leases, "5000", 1, 1000000,
	    "A browser is replaced after this many leases."),
	INT("pool.recycle_age_s", pool_recycle_age_s, "21600", 1, 2592000,
	    "A browser is replaced at this age, a tenth more or less, seconds."),
	INT("pool.recycle_growth_mb", pool_recycle_growth_mb, "400", 1, 65536,
	    "A browser is replaced when its main processes (not its pages') have grown by this, MiB."),
	INT("pool.settle_s", pool_settle_s, "300", 1, 86400,
	    "The growth is counted from this age on, seconds."),
	INT("pool.drain_s", pool_drain_s, "180", 0, 3600,
	    "Leases on a browser that was replaced run on this long at most, seconds."),
	INT("pool.canary_s", pool_canary_s, "30", 1, 3600,
	    "Whether a browser can make pages is tried this often when nobody needs any, seconds."),
};

const size_t settings_count = ARRAY_LEN(settings_table);
