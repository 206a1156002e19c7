/*
 * sso.h - a sign-in that leads through other sites, by a recipe (recipe.h).
 *
 * The leased page goes there itself, with its scripts, styles and forms; whatever would load from
 * another host than the site's and the recipe's is refused before it leaves (page_intercept.h).
 * What the student typed is put only into pages of the recipe's hosts, whose forms lead to them or
 * to the site; each time that is looked at in the page itself, by a script that the page cannot
 * see.
 */
#pragma once

#include "moodle.h"
#include "recipe.h"

struct sso_values {
	const char *username;
	const char *password, *code; /* NULL: not at hand */
};

/* On a page of moodle_open(). 0: it is back on the site, signed in as far as can be seen, and
 * stands on the site's origin as moodle_open() left it. -1 after work_fail(). With "mfa_needed",
 * *half (yours) is what sso_go_on() needs to go on with the code: cookies of all sites and the
 * page's address. */
int sso_sign_in(struct work *w, struct moodle *m, const struct recipe *r,
		const struct sso_values *values, json_t **half);
/* On a page of moodle_open_with() those cookies. */
int sso_go_on(struct work *w, struct moodle *m, const struct recipe *r, const char *url,
	      const struct sso_values *values, json_t **half);
