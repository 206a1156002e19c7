/*
 * sso_end.h - how a sign-in by recipe ends that has not succeeded: with which code, and in which
 * words for the student; for sso.c.
 *
 * Each answers -1, after work_fail() and a line in the log.
 */
#pragma once

#include <stdbool.h>

#include "sso.h"

#define SSO_CALL_MS 10000 /* for one call of a page */

struct sso {
	struct work *w;
	struct moodle *m;
	const struct recipe *recipe;
	const struct sso_values *values;
	json_t **half;
	struct deadline end;	  /* of the sign-in */
	struct deadline patience; /* with this page */
	json_t *origin;		  /* the site's */
	json_t *times;		  /* how often each step was done */
	json_t *document;	  /* where the last one was, and … */
	const char *wait;	  /* … what it waits for; NULL: nothing */
	double seen;		  /* the document that was looked at last */
	bool typed;		  /* the password, into some page */
	int done;
	char where[300];
};

/* what: "username", "password", "code". */
bool sso_step_fills(json_t *step, const char *what);

/* message NULL: the code's own. why is for the log. */
int sso_stop(struct sso *s, const char *code, const char *message, const char *why);
/* With "mfa_needed" and *half. The code is asked for where the page stands now; only in this session
 * is it good. */
int sso_ask_for_code(struct sso *s, const char *message);
/* For states of the page (scripts/sso.js): the step was done and comes again; an error of the
 * recipe's; a document that did not come. */
int sso_fail_asked_again(struct sso *s, json_t *state);
int sso_fail_by_error(struct sso *s, json_t *state);
int sso_fail_lost(struct sso *s);
