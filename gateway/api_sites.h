/*
 * api_sites.h - the Moodle sites as the API shows them, and the one that a sign-in names.
 */
#pragma once

#include "http.h"
#include "sites.h"

/* {"id","name","url"} */
json_t *api_site_json(const struct site *site);

/* The body's member "site", an id; without it the only site that there is. False: 422 has been
 * sent. */
bool api_site_named(struct gateway *g, struct request *r, const json_t *body,
		    const struct site **ret);
