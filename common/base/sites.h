/*
 * sites.h - the Moodle sites that this installation serves, and all that is set for each of them.
 *
 * The settings site.* are one site (id "default") when site.url is set. Further ones are files
 * ID.conf of the folder sites.dir, with the same keys without "site.": what a file does not say has
 * the default of the table, not what site.* says. Nothing else names a site's address: clients and
 * jobs carry an id, and it is looked up here.
 *
 * An id is for ever: browsers' sessions and jobs hold it. A student is not bound to it but to the
 * site's url (vault_user_id()), so no two sites may have one url.
 *
 * To set something for each site: a field here and a row "site.…" in settings_table.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define SITES_MAX	64
#define SITE_ID_SIZE	33 /* [a-z0-9-]{1,32} */
#define SITE_DEFAULT_ID "default"

struct settings;

enum site_road { SITE_ROAD_AUTO, SITE_ROAD_BROWSER, SITE_ROAD_SERVICE };

struct site {
	char *id;
	char *name;
	char *url; /* no slash at its end */
	char *login_path;
	char *recipe; /* a file's name; "": Moodle's own form */
	char *user_agent_suffix;
	int64_t road; /* enum site_road */
	int64_t max_running;
	int64_t requests_per_s;
};

bool site_id_is_valid(const char *id);

/* Reads the folder's files. A folder that is not there is none only where the default names it. On
 * failure err says file and line. */
int sites_load(struct settings *s, struct error *err);
void sites_done(struct settings *s);

/* The one of site.* first, if there is one, then the others by their ids. */
size_t sites_count(const struct settings *s);
const struct site *sites_at(const struct settings *s, size_t i);
const struct site *sites_find(const struct settings *s, const char *id); /* NULL: not configured */
