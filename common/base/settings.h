/*
 * settings.h - every setting of every daemon, in one table that is also the documentation.
 *
 * One file serves all daemons (default /etc/pensum/pensum.conf): `key = value` lines, `#` comments.
 * Each key can be overridden by the environment: gateway.listen by PENSUM_GATEWAY_LISTEN. An unknown
 * key (in the file or behind PENSUM_), one that stands twice or a bad value is an error that names
 * file, line and what is allowed. Secrets are never settings, only paths to them are (file_read_secret()).
 *
 * struct settings owns its strings: settings_init(), settings_load(), settings_done(). To add a
 * setting: a field here, a row in settings_table.c; nothing else. What is set for each Moodle site
 * (site.*) stands once more in the files of sites.dir (sites.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "sites.h"

enum forwarded { FORWARDED_OFF, FORWARDED_LOOPBACK };
enum pool_sandbox { POOL_SANDBOX_ON, POOL_SANDBOX_OFF };
enum pool_network { POOL_NETWORK_INSIDE, POOL_NETWORK_APART };

struct settings {
	int64_t log_level; /* enum log_level */

	struct site site; /* of site.*; ask sites.h which there are */
	char *sites_dir;
	struct site *more_sites; /* of sites.dir */
	size_t more_site_count;

	char *redis_address; /* unix:/path or host:port */
	char *redis_password_file;
	char *postgres_conninfo;
	char *postgres_password_file;
	char *key_file;

	char *gateway_listen;
	char *gateway_admin_listen;
	char *gateway_public_url;
	char *gateway_web_dir;
	char *gateway_sql_dir;
	int64_t gateway_max_connections;
	int64_t gateway_max_live;
	int64_t gateway_user_live;
	int64_t gateway_max_body_bytes;
	int64_t gateway_forwarded; /* enum forwarded */

	int64_t limits_signins_per_user;
	int64_t limits_signins_per_address;
	int64_t limits_writes_per_user;
	int64_t limits_writes_per_address;
	int64_t limits_reads_per_user;
	int64_t limits_reads_per_address;
	int64_t limits_gateways;
	int64_t limits_pool_waiting_percent;

	int64_t session_ttl_s;
	int64_t cache_moodle_session_s;
	int64_t cache_courses_s;
	int64_t cache_courses_fresh_s;

	int64_t jobs_max_attempts;
	int64_t jobs_retry_base_ms;
	int64_t jobs_per_user;
	int64_t jobs_per_user_running;
	int64_t jobs_max_queued;
	int64_t jobs_keep_s;
	int64_t audit_keep_s;
	int64_t calendar_keep_s;

	char *worker_host;
	char *worker_spool_dir;
	int64_t worker_spool_max_mb;
	int64_t worker_slot_memory_mb;
	int64_t checker_slots;
	int64_t checker_urgent_slots;
	int64_t checker_time_limit_s;
	int64_t docgen_slots;
	int64_t docgen_time_limit_s;

	char *documents_dir;
	int64_t documents_ttl_s;
	int64_t documents_link_s;

	char *pool_socket;
	char *pool_browser;
	char *pool_run_dir;
	int64_t pool_sandbox; /* enum pool_sandbox */
	int64_t pool_network; /* enum pool_network */
	int64_t pool_max_browsers;
	int64_t pool_max_pages;
	int64_t pool_max_waiting;
	int64_t pool_client_max_waiting;
	int64_t pool_client_max_pages;
	int64_t pool_wait_s;
	int64_t pool_lease_s;
	int64_t pool_keep_s;
	int64_t pool_idle_s;
	int64_t pool_page_memory_mb;
	int64_t pool_min_available_mb;
	int64_t pool_max_pressure;
	int64_t pool_recycle_leases;
	int64_t pool_recycle_age_s;
	int64_t pool_recycle_growth_mb;
	int64_t pool_settle_s;
	int64_t pool_drain_s;
	int64_t pool_canary_s;
};

enum setting_type { SETTING_TEXT, SETTING_URL, SETTING_ADDRESS, SETTING_INT, SETTING_CHOICE };

struct setting {
	const char *key; /* "gateway.listen" */
	enum setting_type type; /* a URL may be empty, too */
	size_t offset; /* of a char * (text, URL, address) or an int64_t in struct settings */
	const char *def;
	int64_t min, max;	    /* SETTING_INT */
	/* SETTING_CHOICE: NULL-ended; value is the index + choice_base. */
	const char *const *choices;
	int64_t choice_base;
	const char *help; /* one sentence, with the unit */
};

extern const struct setting settings_table[];
extern const size_t settings_count;

void settings_init(struct settings *s); /* all defaults */
void settings_done(struct settings *s);

/*
 * File first (path NULL: the default path, which may be absent), then environment. On failure s is
 * still valid for settings_done().
 */
int settings_load(struct settings *s, const char *path, struct error *err);
int settings_load_text(struct settings *s, const char *name, const char *text, struct error *err);
int settings_load_env(struct settings *s, char **environ_list, struct error *err);

/* A file of sites.dir: the keys of site.*, without that. On success *ret is yours to
 * settings_free_site(). */
int settings_load_site(struct site *ret, const char *id, const char *name, const char *text,
		       struct error *err);
void settings_free_site(struct site *site);

/* The settings in force as a file that could be read again, with help and defaults as comments. */
void settings_print(const struct settings *s, FILE *out);
/* The table as Markdown, for README.md. */
void settings_print_markdown(FILE *out);

#define SETTINGS_DEFAULT_PATH "/etc/pensum/pensum.conf"
#define SITES_DEFAULT_DIR     "/etc/pensum/sites.d"
