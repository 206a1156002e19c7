#include "moodle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "mem.h"
#include "moodle_session.h"
#include "pace.h"
#include "page_intercept.h"
#include "script_moodle.h"
#include "site.h"

#define GOTO_MS	     30000
#define LOOK_MS	     5000 /* for why a site does not answer */
#define CALL_MS	     10000
#define POOL_BACK_MS 200 /* between two tries while browser-pool is away */
#define MAX_LEASE_MS 30000 /* patience in the pool's queue */
#define MAX_COST     (1LL << 40)

/*
 * A light document of the site: JSON, no scripts, no session. The same address tells what kind of
 * site this is (facts are in the scripts' own headers).
 */
#define LIGHT_PATH                                                                                 \
	"/lib/ajax/service-nologin.php?info=tool_mobile_get_public_config&args="                   \
	"%5B%7B%22index%22%3A0%2C%22methodname%22%3A%22tool_mobile_get_public_config%22"           \
	"%2C%22args%22%3A%7B%7D%7D%5D"

/* A pool that is being restarted is worth a moment; the attempt is not spent on it. */
static int begin_lease(struct work *w, enum pool_class cls, const char *key, struct lease **ret,
		       struct error *err)
{
	struct deadline patience = work_within(w, MAX_LEASE_MS);
	struct lease_request req = { .cls = cls,
				     .tag = w->id,
				     .hidden = true,
				     .key = key,
				     .tick = work_tick,
				     .tick_arg = w };

	for (;;) {
		int e;

		/* 0 would mean the pool's own, which may be longer than the attempt. */
		req.wait_ms = MAX(deadline_left_ms(patience), 1);
		req.ttl_ms = deadline_left_ms(w->deadline);
		if (req.ttl_ms == 0)
			return error_set(err, -ETIMEDOUT, "no time is left for a page");
		e = lease_begin(w->settings->pool_socket, &req, ret, err);
		if ((e != -ENOENT && e != -ECONNREFUSED) || deadline_is_over(patience))
			return e;
		if (work_tick(w) != 0)
			return error_set(err, -ECANCELED, "cancelled");
		clock_sleep_ms(POOL_BACK_MS);
	}
}

/* Whether the page of an earlier job still stands on the site. */
static bool is_there(struct work *w, const struct moodle *m)
{
	json_t *origin = NULL;
	const char *text;
	size_t len;
	bool there;

	if (!lease_is_sticky(m->lease) ||
	    page_evaluate(m->lease, "location.origin", work_within(w, CALL_MS), &origin, NULL) < 0)
		return false;
	text = json_string_value(origin);
	len = text ? strlen(text) : 0;
	there = len > 0 && strncasecmp(m->wwwroot, text, len) == 0 &&
		(m->wwwroot[len] == '\0' || m->wwwroot[len] == '/');
	json_decref(origin);
	return there;
}

/* What the first document cost, as the scripts tell of theirs. */
static void count_document(struct work *w, struct moodle *m)
{
	static const char size[] =
		"performance.getEntriesByType('navigation')[0]?.decodedBodySize ?? 0";
	json_t *bytes = NULL;

	m->requests++;
	if (page_evaluate(m->lease, size, work_within(w, CALL_MS), &bytes, NULL) == 0)
		m->bytes += MAX(0, MIN(json_integer_value(bytes), MAX_COST));
	json_decref(bytes);
}

static int go_there(struct work *w, struct moodle *m, struct error *err)
{
	CLEANUP_FREE char *url = mem_printf("%s%s", m->wwwroot, LIGHT_PATH);
	int e;

	m->asked = true;
	if (is_there(w, m))
		return 0;
	work_progress(w, "opening Moodle", 0, 0, "");
	pace_spent(w, 1);
	e = site_goto(m->lease, url, work_within(w, GOTO_MS), err);
	if (e == 0)
		count_document(w, m);
	return e;
}

static bool is_secure(struct work *w, const struct moodle *m)
{
	json_t *secure = NULL;
	bool is = page_evaluate(m->lease, "isSecureContext", work_within(w, CALL_MS), &secure,
				NULL) == 0 &&
		  json_is_true(secure);

	json_decref(secure);
	return is;
}

/* Nothing is asked of the site for it. Of a document that came from no address Chromium lets only a secure
 * one (https, or loopback) fetch from a host of a private network. */
static int stand_there(struct work *w, struct moodle *m, struct error *err)
{
	CLEANUP_FREE char *url = mem_printf("%s/", m->wwwroot);
	int e = page_stand_at(m->lease, url, work_within(w, CALL_MS), err);

	m->asked = false;
	return e < 0 || is_secure(w, m) ? e : go_there(w, m, err);
}

/* user_id: whose page is kept, before and after; NULL: nobody's, which then stands on the site's origin
 * before anything is asked there. cookies: of the saved session. */
static int open_page(struct work *w, enum pool_class cls, const char *user_id, json_t *cookies,
		     struct moodle *m)
{
	char key[POOL_KEY_SIZE];
	struct error err;
	int e;

	if (site_is_paused(w))
		return -1;
	snprintf(key, sizeof(key), "moodle:%s", user_id ? user_id : "");
	work_progress(w, "waiting for a browser", 0, 0, "");
	m->wwwroot = w->site->url;
	e = begin_lease(w, cls, user_id ? key : NULL, &m->lease, &err);
	if (e == 0)
		e = page_prepare(m->lease, work_within(w, CALL_MS), &err);
	if (e == 0)
		e = site_sign_requests(w, m->lease, work_within(w, CALL_MS), &err);
	if (e == 0 && cookies != NULL)
		e = page_set_cookies(m->lease, cookies, work_within(w, CALL_MS), &err);
	if (e == 0)
		e = user_id ? go_there(w, m, &err) : stand_there(w, m, &err);
	return e < 0 ? moodle_page_failed(w, m, e, &err) : 0;
}

int moodle_open(struct work *w, enum pool_class cls, struct moodle *m)
{
	return open_page(w, cls, NULL, NULL, m);
}

int moodle_open_with(struct work *w, enum pool_class cls, json_t *cookies, struct moodle *m)
{
	return open_page(w, cls, NULL, cookies, m);
}

int moodle_return(struct work *w, struct moodle *m)
{
	struct error err;
	int e = stand_there(w, m, &err);

	return e < 0 ? moodle_page_failed(w, m, e, &err) : 0;
}

void moodle_close(struct moodle *m)
{
	lease_end(m->lease);
	free(m->sealed);
	*m = (struct moodle)MOODLE_INIT;
}

static void add_cost(struct moodle *m, const json_t *answer)
{
	const json_t *cost = json_object_get(answer, "cost");
	json_int_t requests = json_integer_value(json_object_get(cost, "requests"));
	json_int_t bytes = json_integer_value(json_object_get(cost, "bytes"));

	/* outside input: what no script can have spent is not counted */
	if (requests > 0 && requests < MAX_COST)
		m->requests += requests;
	if (bytes > 0 && bytes < MAX_COST)
		m->bytes += bytes;
}

void moodle_tell_cost(struct work *w, const struct moodle *m)
{
	json_object_set_new(w->result, "requests", json_integer(m->requests));
	json_object_set_new(w->result, "bytes", json_integer(m->bytes));
	log_info("Moodle asked", "requests=%lld bytes=%lld", m->requests, m->bytes);
}

int moodle_run(struct work *w, struct moodle *m, const unsigned char *script, json_t *args,
	       bool fail_softly, json_t **ret)
{
	CLEANUP(buf_wipe) struct buf expression = BUF_INIT; /* may hold a password */
	long long before = m->requests;
	json_t *answer = NULL;
	struct error err;
	int64_t gap_ms;
	char *text;
	int e;

	if (pace_take(w, &gap_ms) < 0) {
		json_decref(args);
		return -1;
	}
	json_object_set_new(args, "wwwroot", json_string(m->wwwroot));
	json_object_set_new(args, "gap_ms", json_integer(gap_ms));
	text = json_dumps(args, JSON_COMPACT);
	buf_printf(&expression, "(async () => {\n%s\n%s\nreturn await run(%s);\n})()",
		   (const char *)script_moodle, (const char *)script, text);
	mem_wipe(text, strlen(text));
	free(text);
	json_decref(args);
	e = page_evaluate(m->lease, expression.data, w->deadline, &answer, &err);
	if (e < 0)
		return moodle_page_failed(w, m, e, &err);
	add_cost(m, answer);
	pace_spent(w, m->requests - before - 1);
	if (json_integer_value(json_object_get(answer, "retry_after_s")) > 0)
		site_pause(w, json_integer_value(json_object_get(answer, "retry_after_s")));
	if (!json_is_true(json_object_get(answer, "ok")) && !fail_softly) {
		const char *code = json_string_value(json_object_get(answer, "code"));
		const char *detail = json_string_value(json_object_get(answer, "detail"));

		log_info("script failed", "code=%s detail=\"%s\"", code ? code : "",
			 detail ? detail : "");
		moodle_fail(w, m, code ? code : "not_understood",
			    json_string_value(json_object_get(answer, "message")));
		json_decref(answer);
		return -1;
	}
	*ret = answer;
	return 0;
}

int moodle_open_signed_in(struct work *w, enum pool_class cls, struct moodle *m)
{
	json_t *cookies = NULL;
	int e;

	if (moodle_session_load(w, &m->sealed) < 0)
		return -1;
	if (m->sealed != NULL)
		cookies = moodle_session_cookies(w, w->user_id, m->sealed);
	if (cookies == NULL)
		return moodle_fail(w, m, "session_dead", NULL);
	e = open_page(w, cls, w->user_id, cookies, m);
	json_decref(cookies);
	return e;
}

int moodle_open_saved(struct work *w, const char *user_id, const char *sealed, struct moodle *m)
{
	json_t *cookies = sealed ? moodle_session_cookies(w, user_id, sealed) : NULL;
	int e;

	if (cookies == NULL)
		cookies = json_array(); /* what a kept page has goes */
	e = open_page(w, POOL_CHECK, user_id, cookies, m);
	json_decref(cookies);
	return e;
}

/* The pool keeps no page with a call that is open (poolmsg.h). */
void moodle_discard(struct moodle *m)
{
	if (m->lease != NULL)
		lease_post(m->lease, "Runtime.evaluate",
			   json_pack("{ss sb}", "expression", "new Promise(() => {})",
				     "awaitPromise", 1),
			   NULL);
}

/* A fetch() that failed does not say why, and a navigation does: that the site sends us elsewhere,
 * when it wants to be asked again, or the browser's own name for it, for the log. */
static bool is_known_better(struct work *w, struct moodle *m)
{
	CLEANUP_FREE char *url = NULL;
	struct error err;
	int e;

	if (m->asked || m->lease == NULL)
		return false;
	m->asked = true;
	url = mem_printf("%s%s", m->wwwroot, LIGHT_PATH);
	pace_spent(w, 1);
	e = site_goto(m->lease, url, work_within(w, LOOK_MS), &err);
	if (e < 0)
		moodle_page_failed(w, m, e, &err);
	return e == -EXDEV || (e < 0 && (strcmp(w->failure_code, "site_busy") == 0 ||
					 strcmp(w->failure_code, "maintenance") == 0));
}

int moodle_fail(struct work *w, struct moodle *m, const char *code, const char *message)
{
	if (strcmp(code, "site_down") == 0 && is_known_better(w, m))
		return -1;
	/* Only a sign-in can be asked for a code; what has a session needs another one. */
	if (strcmp(code, "mfa_needed") == 0 && m->sealed != NULL) {
		code = "session_dead";
		message = NULL;
	}
	if (strcmp(code, "session_dead") == 0 && m->sealed != NULL)
		moodle_session_forget(w, m->sealed);
	return work_fail(w, code, message);
}

/* The cookies of a site in a sub-folder are those of what is below it: "/moodle/", not "/moodle". */
int moodle_get_cookies(struct work *w, struct moodle *m, json_t **ret)
{
	CLEANUP_FREE char *url = mem_printf("%s/", m->wwwroot);
	struct error err;
	int e = page_get_cookies(m->lease, url, work_within(w, CALL_MS), ret, &err);

	return e < 0 ? moodle_page_failed(w, m, e, &err) : 0;
}
