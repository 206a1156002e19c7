#include "sso.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "page_intercept.h"
#include "recipe_host.h"
#include "script_sso.h"
#include "sso_end.h"

#define LOOK_MS	    100	  /* between two looks at a page that is not there yet */
#define PATIENCE_MS 10000 /* with a page that no step is for */
#define MAX_STEPS   64	  /* in all: steps may be done again, but not for ever */

static struct deadline soon(const struct sso *s, int64_t ms)
{
	return deadline_min(s->end, deadline_in(ms));
}

/* ---- rules ---- */

static const char **texts_of(json_t *array, const char *one_more)
{
	const char **list = mem_zalloc_array(json_array_size(array) + 2, sizeof(*list));
	size_t n = 0, i;
	json_t *text;

	json_array_foreach (array, i, text)
		list[n++] = json_string_value(text);
	if (one_more != NULL)
		list[n++] = one_more;
	return list;
}

static int keep_in(struct sso *s, struct error *err)
{
	CLEANUP_FREE const char **origins =
		texts_of(s->recipe->origins, json_string_value(s->origin));
	CLEANUP_FREE const char **assets = texts_of(s->recipe->assets, NULL);
	const struct page_rules rules = { .block_kinds = PAGE_IMAGES | PAGE_MEDIA | PAGE_FONTS,
					  .allow_origins = origins,
					  .asset_origins = assets };

	return page_intercept(s->m->lease, &rules, soon(s, SSO_CALL_MS), err);
}

/* ---- one call of the script ---- */

/* args are taken, and may hold the password. */
static int call(struct sso *s, const char *function, json_t *args, json_t **ret, struct error *err)
{
	CLEANUP(buf_wipe) struct buf expression = BUF_INIT;
	char *text;

	json_object_set(args, "site", s->origin);
	json_object_set_new(args, "root", json_string(s->m->wwwroot));
	json_object_set(args, "page", s->recipe->page);
	text = json_dumps(args, JSON_COMPACT);
	json_decref(args);
	buf_printf(&expression, "(() => {\n%s\nreturn %s(%s);\n})()", (const char *)script_sso,
		   function, text);
	mem_wipe(text, strlen(text));
	free(text);
	return page_evaluate_apart(s->m->lease, expression.data, soon(s, SSO_CALL_MS), ret, err);
}

static int look(struct sso *s, json_t **ret, struct error *err)
{
	json_t *args = json_pack("{sO sO? ss?}", "times", s->times, "document", s->document, "wait",
				 s->wait);

	return call(s, "look", args, ret, err);
}

/* ---- what a page asks for ---- */

static json_t *values_for(struct sso *s, json_t *step)
{
	json_t *values = json_object();

	if (sso_step_fills(step, "username"))
		json_object_set_new(values, "username", json_string(s->values->username));
	if (sso_step_fills(step, "password"))
		json_object_set_new(values, "password", json_string(s->values->password));
	if (sso_step_fills(step, "code"))
		json_object_set_new(values, "code", json_string(s->values->code));
	return values;
}

static int act(struct sso *s, json_int_t index, json_t *step, json_t *state)
{
	json_t *answer = NULL, *values = values_for(s, step);
	const char *why;
	struct error err;
	int e = call(s, "act",
		     json_pack("{sI so sO}", "index", index, "values", values, "hosts",
			       s->recipe->origins),
		     &answer, &err);
	bool did = json_is_true(json_object_get(answer, "done"));

	/* A page that left before it was called has left by itself; one that left while it was
	 * called may have been left by the step. */
	if (e == -EAGAIN)
		return 0;
	if (e == -ESTALE || did) {
		json_int_t times = json_integer_value(json_array_get(s->times, (size_t)index));

		json_array_set_new(s->times, (size_t)index, json_integer(times + 1));
		json_decref(s->document);
		s->document = json_incref(json_object_get(state, "document"));
		s->wait = json_string_value(json_object_get(step, "wait"));
		s->patience = soon(s, PATIENCE_MS);
		s->typed |= sso_step_fills(step, "password");
		s->done++;
		e = 0;
	}
	why = json_string_value(json_object_get(answer, "why"));
	if (e < 0)
		e = moodle_page_failed(s->w, s->m, e, &err);
	else if (why != NULL && strcmp(why, "elsewhere") == 0)
		e = sso_stop(
			s, "signs_in_elsewhere",
			"The sign-in page sends what is typed to another site, which is not set "
			"up here.",
			"a form leads to another host");
	else if (why != NULL && strcmp(why, "field") == 0)
		e = sso_stop(s, "signin_not_understood", NULL, "a field is of another kind");
	json_decref(answer);
	return e;
}

static int do_step(struct sso *s, json_t *state)
{
	json_int_t index = json_integer_value(json_object_get(state, "index"));
	json_t *step = json_array_get(json_object_get(s->recipe->page, "steps"), (size_t)index);
	const char *name = json_string_value(json_object_get(step, "name"));
	const char *sentence = json_string_value(json_object_get(step, "stop"));

	if (step == NULL)
		return sso_stop(s, "signin_not_understood", NULL, "no such step");
	if (sentence != NULL)
		return sso_stop(s, "signin_stopped", sentence, name);
	if (sso_step_fills(step, "code") && s->values->code == NULL)
		return sso_ask_for_code(s, NULL);
	if (sso_step_fills(step, "password") && s->values->password == NULL)
		return sso_stop(s, "mfa_refused", "The sign-in began anew. Sign in again.",
				"the password is asked for again");
	if (sso_step_fills(step, "password") && s->typed &&
	    json_integer_value(json_object_get(step, "times")) < 2)
		return sso_fail_asked_again(s, state);
	if (s->done >= MAX_STEPS)
		return sso_stop(s, "signin_not_understood", NULL, "too many steps");
	log_debug("sign-in by recipe", "step=%lld name=\"%s\" at=\"%s\"", (long long)index,
		  name ? name : "", s->where);
	return act(s, index, step, state);
}

static bool is_at(json_t *state, const char *what)
{
	const char *at = json_string_value(json_object_get(state, "at"));

	return at != NULL && strcmp(at, what) == 0;
}

/* 1: signed in; 0: look again. */
static int answer_state(struct sso *s, json_t *state)
{
	const char *where = json_string_value(json_object_get(state, "where"));
	double document = json_number_value(json_object_get(state, "document"));

	snprintf(s->where, sizeof(s->where), "%s", where ? where : "");
	if (document > s->seen || document < s->seen) {
		s->seen = document;
		s->patience = soon(s, PATIENCE_MS);
	}
	if (is_at(state, "home"))
		return 1;
	if (is_at(state, "step"))
		return do_step(s, state);
	if (is_at(state, "error"))
		return sso_fail_by_error(s, state);
	if (is_at(state, "again"))
		return sso_fail_asked_again(s, state);
	if (is_at(state, "refused"))
		return sso_stop(s, "signin_stopped",
				json_string_value(json_object_get(state, "message")),
				"Moodle says no");
	if (is_at(state, "lost"))
		return sso_fail_lost(s);
	if (is_at(state, "down"))
		return sso_stop(s, "site_down", "A site of the sign-in answers with an error.",
				"HTTP 5xx");
	return 0;
}

/* ---- the whole ---- */

/* Handlers of the lease hear meanwhile what the page wants to load. */
static int wait_a_moment(struct sso *s, struct error *err)
{
	int e = lease_wait_event(s->m->lease, "Page.domContentEventFired",
				 deadline_min(s->end, deadline_in(LOOK_MS)), NULL, err);

	return e == -ETIMEDOUT ? 0 : e;
}

static int walk(struct sso *s)
{
	struct error err;
	int e = 0, r = 0;

	while (r == 0) {
		json_t *state = NULL;

		if (deadline_is_over(s->w->deadline))
			return work_fail(s->w, "timeout", NULL);
		if (deadline_is_over(s->end))
			return sso_stop(s, "signin_not_understood", "The sign-in took too long.",
					"time is over");
		if (deadline_is_over(s->patience))
			return sso_stop(s, "signin_not_understood", NULL,
					"no step is for this page");
		e = look(s, &state, &err);
		if (e == 0)
			r = answer_state(s, state);
		json_decref(state);
		if (e == -ESTALE || e == -EAGAIN || e == -ETIMEDOUT)
			e = 0;
		if (e == 0 && r == 0)
			e = wait_a_moment(s, &err);
		if (e < 0)
			return e == -EREMOTEIO
				       ? sso_stop(s, "signin_not_understood", NULL, err.text)
				       : moodle_page_failed(s->w, s->m, e, &err);
	}
	return r < 0 ? -1 : moodle_return(s->w, s->m);
}

static int go(struct sso *s, const char *url)
{
	struct error err;
	int e = keep_in(s, &err);

	/* What became of it is seen on the page, of an address that was refused as well. */
	if (e == 0)
		e = page_call(s->m->lease, "Page.navigate", json_pack("{ss}", "url", url),
			      soon(s, PATIENCE_MS), NULL, &err);
	if (e < 0 && e != -ETIMEDOUT)
		return moodle_page_failed(s->w, s->m, e, &err);
	s->patience = soon(s, PATIENCE_MS);
	return walk(s);
}

/* A visitor who asks for a page is sent back to it after the sign-in; without that it would be the
 * dashboard, the slowest page there is. */
static void ask_for_light_page(struct sso *s)
{
	json_t *root = json_string(s->m->wwwroot);
	CLEANUP_FREE char *quoted = json_dumps(root, JSON_ENCODE_ANY);
	CLEANUP_FREE char *call =
		mem_printf("fetch(%s + '/user/preferences.php', {redirect: 'manual'})"
			   ".then(() => 1, () => 0)",
			   quoted);

	json_decref(root);
	page_evaluate(s->m->lease, call, soon(s, SSO_CALL_MS), NULL, NULL);
}

/* url NULL: from the start. */
static int sign_in(struct sso *s, const char *url)
{
	CLEANUP_FREE char *origin = recipe_origin(s->m->wwwroot);
	CLEANUP_FREE char *start =
		mem_printf("%s%s", s->m->wwwroot,
			   s->recipe->start[0] ? s->recipe->start : s->w->site->login_path);
	size_t steps = json_array_size(json_object_get(s->recipe->page, "steps"));
	int e;

	s->end = work_within(s->w, (int64_t)s->recipe->time_limit_s * 1000);
	s->origin = json_string(origin);
	s->times = json_array();
	for (size_t i = 0; i < steps; i++)
		json_array_append_new(s->times, json_integer(0));
	if (url == NULL)
		ask_for_light_page(s);
	e = go(s, url ? url : start);
	json_decref(s->origin);
	json_decref(s->times);
	json_decref(s->document);
	return e;
}

int sso_sign_in(struct work *w, struct moodle *m, const struct recipe *r,
		const struct sso_values *values, json_t **half)
{
	struct sso s = { .w = w, .m = m, .recipe = r, .values = values, .half = half };

	work_progress(w, "signing in", 0, 0, "");
	return sign_in(&s, NULL);
}

int sso_go_on(struct work *w, struct moodle *m, const struct recipe *r, const char *url,
	      const struct sso_values *values, json_t **half)
{
	struct sso s = { .w = w, .m = m, .recipe = r, .values = values, .half = half };

	work_progress(w, "second factor", 0, 0, "");
	return sign_in(&s, url);
}
