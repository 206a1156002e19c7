#include "jobs.h"

#include <stdio.h>
#include <stdlib.h>

#include "courses.h"
#include "mem.h"
#include "moodle.h"
#include "script_signin.h"

/* Everything that one sign-in finds out: the courses are read while the page is there. */
struct signin {
	const char *username; /* of the input */
	json_t *user;	      /* {"id","fullname"} */
	struct moodle_session session;
	struct course_list courses;
};

static void signin_done(void *signin)
{
	struct signin *s = signin;

	json_decref(s->user);
	moodle_session_done(&s->session);
	course_list_done(&s->courses);
}

static int store_user(struct work *w, const struct signin *s, struct error *err)
{
	const char *fullname = json_string_value(json_object_get(s->user, "fullname"));
	json_int_t id = json_integer_value(json_object_get(s->user, "id"));
	char moodle_id[24];
	const char *params[] = { w->user_id, w->settings->site_url, s->username,
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
			"UPDATE pensum.sessions SET active = true, signin_job = NULL "
			"WHERE signin_job = $1",
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
	const struct signin *s = arg;

	moodle_session_cache(w, &s->session);
	if (s->courses.courses != NULL)
		course_list_changed(w);
}

static int sign_in(struct work *w, struct moodle *m, const char *password, struct signin *s,
		   json_t **answer)
{
	json_t *args = json_pack("{s:s, s:s, s:s}", "username", s->username, "password", password,
				 "login_path", w->settings->site_login_path);

	work_progress(w, "signing in", 0, 0, "");
	if (args == NULL)
		return work_fail(w, "bad_input", "The username or the password is not valid text.");
	if (moodle_run(w, m, script_signin, args, false, answer) < 0)
		return -1;
	s->user = json_incref(json_object_get(*answer, "user"));
	if (!json_is_integer(json_object_get(s->user, "id")))
		return work_fail(w, "not_understood", NULL);
	return moodle_session_make(w, m, password, &s->session);
}

int job_signin(struct work *w)
{
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	CLEANUP(buf_wipe) struct buf password = BUF_INIT;
	struct signin *s = work_alloc(w, sizeof(*s), signin_done);
	json_t *answer = NULL;
	int e;

	s->username = json_string_value(json_object_get(w->input, "username"));
	if (s->username == NULL)
		return work_fail(w, "bad_input", NULL);
	if (work_open_secret(w, &password) < 0 || moodle_open(w, POOL_INTERACTIVE, &m) < 0)
		return -1;
	e = sign_in(w, &m, password.data, s, &answer);
	if (e == 0)
		e = course_list_read(w, &m,
				     json_string_value(json_object_get(answer, "sesskey")),
				     &s->courses);
	json_decref(answer);
	if (e < 0)
		return -1;
	work_on_commit(w, commit, after, s);
	w->result = json_pack("{s:O, s:i}", "user", s->user, "courses",
			      (int)json_array_size(s->courses.courses));
	moodle_tell_cost(w, &m);
	return 0;
}
