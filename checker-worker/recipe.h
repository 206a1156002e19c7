/*
 * recipe.h - how to sign in on a site that sends students to another one for it, read from JSON.
 *
 *	{"hosts": ["login.example.edu"],	beside the site's own, the only ones that pages of the
 *						sign-in may come from: exact names, :port if it has one;
 *						https, on loopback http as well
 *	 "assets": ["cdn.example.net"],		hosts of scripts and styles, never of pages
 *	 "start": "/auth/shibboleth/index.php",	path below the site's address, or a selector of what is to
 *						be clicked on its sign-in page; "": just that page
 *	 "time_limit_s": 60,			for all of it, from the first page to the last; the job's own
 *						limit (checker.time_limit_s) holds as well
 *	 "errors": [{"if": "#error", "code": "wrong_password", "message": "…"}],
 *	 "steps": [{"name": "password",		for the log
 *		    "if": ["#form"],		selectors: all of them are to be seen …
 *		    "unless": ["#busy"],	… and none of these
 *		    "hosts": ["login.example.edu"],	of those above, where the step is done
 *		    "fill": {"#user": "username", "#pass": "password", "#otp": "code"},
 *		    "click": "#next",		or "submit": true; fill alone submits its form
 *		    "wait": "#done",		to be seen before the next step
 *		    "times": 1},		may be done so often
 *		   {"if": "#consent", "stop": "The sign-in asks for consent. …"}],
 *	 "comment": "…"}			for people
 *
 * On each page errors come first, then the first step that fits. Unknown members are errors. Pure.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "error.h"

#define RECIPE_MAX_BYTES 65536
#define RECIPE_MAX_STEPS 32

struct recipe {
	json_t *page;	 /* {"errors", "steps"} as scripts/sso.js takes them */
	json_t *origins; /* of hosts: "https://login.example.edu" */
	json_t *assets;	 /* origins as well */
	char *start;	 /* a path; "": the sign-in page (a selector has become the first step) */
	int time_limit_s;
};
#define RECIPE_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

/* The sentence of an error begins with the place: "steps[2]: fill: …". */
int recipe_parse(const char *text, size_t len, struct recipe *ret, struct error *err);
/* The same with a file, whose name comes first in the sentence. */
int recipe_read(const char *path, struct recipe *ret, struct error *err);
void recipe_done(struct recipe *r); /* for CLEANUP() too */
