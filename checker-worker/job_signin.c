#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "courses.h"
#include "flight.h"
#include "log.h"
#include "mem.h"
#include "moodle.h"
#include "moodle_session.h"
#include "script_signin.h"
#include "service.h"
#include "sso.h"

#define MAX_TOKEN   64 /* of Moodle's web service: 32 hex digits */
#define TOKEN_SIGNS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define FACTOR "factor " /* how the secret of a half-done sign-in begins */

/* Everything that one sign-in finds out. */
struct signin {
	struct work *w;
	const char *username; /* of the input */
	const char *password; /* borrowed, while Moodle is asked about it */
	json_t *user;	      /* {"id","fullname"} */
	struct moodle_session session;
	struct course_list courses;
	struct flight flight;
	/* Of the password that Moodle was asked about; "": of none. */
	char verifier[VAULT_VERIFIER_MAX];
};

/* Takes long, and Moodle's answers are waited for meanwhile. */
static void make_verifier(void *arg)
{
	struct signin *s = arg;
	struct error err;

	if (vault_make_verifier(s->w->vault, s->w->user_id, s->password, s->verifier, &err) == 0)
		return;
	log_error("no verifier", "err=\"%s\"", err.text);
	s->verifier[0] = '\0';
}

static void signin_done(void *signin)
{
	struct signin *s = signin;

	json_decref(s->user);
	mem_wipe(s->verifier, sizeof(s->verifier));
	mem_wipe(&s->flight, sizeof(s->flight));
	moodle_session_done(&s->session);
	course_list_done(&s->courses);
}

static int store_user(struct work *w, const struct signin *s, struct error *err)
{
	const char *fullname = json_string_value(json_object_get(s->user, "fullname"));
	json_int_t id = json_integer_value(json_object_get(s->user, "id"));
	char moodle_id[24];
	const char *params[] = { w->user_id, w->site->url, s->username,
				 fullname ? fullname : "", moodle_id };

	snprintf(moodle_id, sizeof(moodle_id), "%lld", (long long)id);
	return pg_exec(w->pg,
		       "INSERT INTO pensum.users (id, site, username, fullname, moodle_id) "
		       "VALUES ($1, $2, $3, $4, $5::bigint) ON CONFLICT (id) DO UPDATE SET "
		       "fullname = excluded.fullname, moodle_id = excluded.moodle_id, "
		       "seen_at = now()",
		       5, params, NULL, err);
}

/* The browser that asked is signed in from now on, and parked jobs go on. */
static int let_in(struct work *w, struct error *err)
{
	const char *job[] = { w->id };
	const char *user[] = { w->user_id };
	int e = pg_exec(w->pg,
			"UPDATE pensum.sessions SET active = true WHERE signin_job = $1",
			1, job, NULL, err);

	if (e == 0)
		e = pg_exec(w->pg, "SELECT pensum.jobs_resume($1)", 1, user, NULL, err);
	return e;
}

static int commit(struct work *w, void *arg, struct error *err)
{
	const struct signin *s = arg;
	int e = store_user(w, s, err);

	if (e == 0)
		e = moodle_session_store(w, &s->session, err);
	if (e == 0 && s->courses.courses != NULL)
		e = course_list_store(w, &s->courses, err);
	if (e == 0)
		e = let_in(w, err);
	return e;
}

static void after(struct work *w, void *arg)
{
	struct signin *s = arg;

	moodle_session_cache(w, &s->session);
	if (s->courses.courses != NULL)
		course_list_changed(w);
	flight_end(w, &s->flight, NULL);
}

/* Somebody else's sign-in has just done it all. */
static int commit_let_in(struct work *w, void *arg, struct error *err)
{
	(void)arg;
	return let_in(w, err);
}

static void after_let_in(struct work *w, void *arg)
{
	struct signin *s = arg;

	flight_end(w, &s->flight, NULL);
}

/* Outside input, kept and sent again: {"token"} of Moodle's own kind. */
static bool service_is_valid(const json_t *service)
{
	const json_t *token = json_object_get(service, "token");
	const char *text = json_string_value(token);

	return text != NULL && json_object_size(service) == 1 && text[0] != '\0' &&
	       json_string_length(token) <= MAX_TOKEN && text[strspn(text, TOKEN_SIGNS)] == '\0';
}

/* What has been found out by a script that ended well. */
static int take_answer(struct work *w, struct moodle *m, const char *verifier, struct signin *s,
		       const json_t *answer)
{
	const json_t *service = json_object_get(answer, "service");
	json_t *cookies = NULL;

	if (verifier[0] == '\0')
		return work_fail(w, "internal", NULL);
	service_learn(w, json_object_get(answer, "service_offered"));
	s->user = json_incref(json_object_get(answer, "user"));
	if (!json_is_integer(json_object_get(s->user, "id")) ||
	    !course_list_take(w, answer, &s->courses))
		return work_fail(w, "not_understood", NULL);
	if (moodle_get_cookies(w, m, &cookies) < 0)
		return -1;
	moodle_session_make(w, cookies, service_is_valid(service) ? service : NULL, verifier,
			    &s->session);
	json_decref(cookies);
	return 0;
}

/* The half-done sign-in goes into the job's secret instead of the password: cookies, since a code is
 * only good in the session that it was asked in, and the verifier, since then nobody needs the
 * password any more. The answer's code comes behind it (gateway/api_answer.c). half is taken. */
static int wait_for_code(struct work *w, json_t *half, const char *verifier)
{
	CLEANUP(buf_done) struct buf sealed = BUF_INIT;
	char context[64], *text;

	if (verifier[0] == '\0') {
		json_decref(half);
		return work_fail(w, "internal", NULL);
	}
	json_object_set_new(half, "verifier", json_string(verifier));
	text = json_dumps(half, JSON_COMPACT);
	json_decref(half);
	snprintf(context, sizeof(context), "factor %s", w->id);
	vault_seal(w->vault, context, text, strlen(text), &sealed);
	mem_wipe(text, strlen(text));
	free(text);
	w->next_secret = mem_printf(FACTOR "%s", sealed.data);
	return -1;
}

/* Moodle itself asks: its cookies are enough. */
static int wait_for_moodles_code(struct work *w, struct moodle *m, const char *verifier)
{
	json_t *cookies = NULL;

	if (moodle_get_cookies(w, m, &cookies) < 0)
		return -1;
	return wait_for_code(w, json_pack("{so}", "cookies", cookies), verifier);
}

/* Runs the script. A failure is the work's, and of that by a second factor enough is kept to go on. */
static int run_script(struct work *w, struct moodle *m, json_t *args, const char *verifier,
		      struct signin *s)
{
	json_t *said = NULL;
	const char *code;
	int e;

	if (moodle_run(w, m, script_signin, args, true, &said) < 0)
		return -1;
	if (json_is_true(json_object_get(said, "ok"))) {
		e = take_answer(w, m, verifier, s, said);
		json_decref(said);
		return e;
	}
	code = json_string_value(json_object_get(said, "code"));
	log_info("script failed", "code=%s", code ? code : "");
	moodle_fail(w, m, code ? code : "not_understood",
		    json_string_value(json_object_get(said, "message")));
	if (code != NULL && strcmp(code, "mfa_needed") == 0)
		wait_for_moodles_code(w, m, verifier);
	json_decref(said);
	return -1;
}

/* The recipe's own steps, from the site's sign-in page or (url) from where a code was asked for; then
 * our script sees who has come. */
static int sign_in_elsewhere(struct work *w, struct moodle *m, const struct sso_values *values,
			     const char *url, const char *verifier, struct signin *s)
{
	CLEANUP(recipe_done) struct recipe recipe = RECIPE_INIT;
	json_t *half = NULL;
	struct error err;
	int e;

	if (recipe_read(w->site->recipe, &recipe, &err) < 0) {
		log_error("no recipe", "err=\"%s\"", err.text);
		return work_fail(w, "internal", NULL);
	}
	e = url ? sso_go_on(w, m, &recipe, url, values, &half)
		: sso_sign_in(w, m, &recipe, values, &half);
	if (half != NULL)
		return wait_for_code(w, half, verifier);
	if (e < 0)
		return -1;
	return run_script(w, m, json_pack("{ss sb}", "username", s->username, "arrived", 1),
			  verifier, s);
}

static int ask_moodle(struct work *w, struct moodle *m, struct signin *s)
{
	const struct sso_values values = { .username = s->username, .password = s->password };
	json_t *args;
	int e;

	if (moodle_open(w, POOL_INTERACTIVE, m) < 0)
		return -1;
	work_progress(w, "signing in", 0, 0, "");
	args = json_pack("{s:s, s:s, s:s}", "username", s->username, "password", s->password,
			 "login_path", w->site->login_path);
	if (args != NULL && service_is_wanted(w))
		json_object_set_new(args, "wants_service", json_true());
	if (args == NULL)
		return work_fail(w, "bad_input", "The username or the password is not valid text.");
	lease_meanwhile(m->lease, make_verifier, s);
	if (w->site->recipe[0] == '\0') {
		e = run_script(w, m, args, s->verifier, s);
	} else {
		json_decref(args);
		e = sign_in_elsewhere(w, m, &values, NULL, s->verifier, s);
	}
	lease_meanwhile(m->lease, NULL, NULL);
	return e;
}

/* 1: let in by the word of another sign-in, whose result is ours. */
static int sign_in(struct work *w, struct moodle *m, struct signin *s)
{
	CLEANUP(buf_wipe) struct buf password = BUF_INIT;
	int e;

	if (work_open_secret(w, &password) < 0)
		return -1;
	switch (flight_ask(w, &s->flight, password.data, &w->result)) {
	case FLIGHT_IN:
		return 1;
	case FLIGHT_REFUSED:
		snprintf(s->verifier, sizeof(s->verifier), "%s", s->flight.refused);
		return work_fail(w, "wrong_password", NULL);
	case FLIGHT_ASK:
		break;
	}
	s->password = password.data;
	e = ask_moodle(w, m, s);
	s->password = NULL;
	return e;
}

/* The secret is "factor <half> <code>": both sealed for this job. */
static int open_half(struct work *w, const char *both, json_t **half, struct buf *code)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT;
	size_t len = strcspn(both, " ");
	CLEANUP_FREE char *first = mem_printf("%.*s", (int)len, both);
	char context[64];
	struct error err;

	snprintf(context, sizeof(context), "factor %s", w->id);
	if (both[len] == '\0' || vault_unseal(w->vault, context, first, &text, &err) < 0)
		return work_fail(w, "bad_input", "The sign-in could not go on: sign in again.");
	snprintf(context, sizeof(context), "code %s", w->id);
	if (vault_unseal(w->vault, context, both + len + 1, code, &err) < 0)
		return work_fail(w, "bad_input", "The code could not be opened: sign in again.");
	*half = json_loads(text.data, 0, NULL);
	return 0;
}

/* half has a url where another site than Moodle asked for the code. */
static int answer_code(struct work *w, struct moodle *m, const json_t *half, const char *code,
		       struct signin *s)
{
	const char *verifier = json_string_value(json_object_get(half, "verifier"));
	const char *url = json_string_value(json_object_get(half, "url"));
	const struct sso_values values = { .username = s->username, .code = code };
	json_t *args;

	if (url != NULL)
		return sign_in_elsewhere(w, m, &values, url, verifier, s);
	work_progress(w, "second factor", 0, 0, "");
	args = json_pack("{s:s, s:s}", "username", s->username, "code", code);
	if (args == NULL)
		return work_fail(w, "bad_input", NULL);
	return run_script(w, m, args, verifier, s);
}

static int go_on(struct work *w, struct moodle *m, struct signin *s)
{
	CLEANUP(buf_wipe) struct buf code = BUF_INIT;
	json_t *half = NULL;
	int e;

	if (open_half(w, w->secret + strlen(FACTOR), &half, &code) < 0)
		return -1;
	e = moodle_open_with(w, POOL_INTERACTIVE, json_object_get(half, "cookies"), m);
	if (e == 0)
		e = answer_code(w, m, half, code.data, s);
	json_decref(half);
	return e;
}

static void keep(struct work *w, const struct moodle *m, struct signin *s)
{
	work_on_commit(w, commit, after, s);
	w->result = json_pack("{s:O, s:i}", "user", s->user, "courses",
			      (int)json_array_size(s->courses.courses));
	moodle_tell_cost(w, m);
}

static int fail(struct work *w, struct signin *s)
{
	bool refused = strcmp(w->failure_code, "wrong_password") == 0 && s->verifier[0] != '\0';

	flight_end(w, &s->flight, refused ? s->verifier : NULL);
	return -1;
}

int job_signin(struct work *w)
{
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	struct signin *s = work_alloc(w, sizeof(*s), signin_done);
	int e;

	s->w = w;
	s->username = json_string_value(json_object_get(w->input, "username"));
	if (s->username == NULL)
		return work_fail(w, "bad_input", NULL);
	if (flight_begin(w, &s->flight) < 0)
		return -1;
	if (w->secret != NULL && strncmp(w->secret, FACTOR, strlen(FACTOR)) == 0)
		e = go_on(w, &m, s);
	else
		e = sign_in(w, &m, s);
	if (e == 0)
		keep(w, &m, s);
	else if (e == 1)
		work_on_commit(w, commit_let_in, after_let_in, s);
	return e < 0 ? fail(w, s) : 0;
}
