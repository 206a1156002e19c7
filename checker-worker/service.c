#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "log.h"
#include "mem.h"
#include "pace.h"
#include "service_answer.h"
#include "site.h"

#define SERVER	     "/webservice/rest/server.php"
#define MAX_BYTES    (8 * 1024 * 1024)
#define REQUEST_MS   30000
#define PATIENCE_S   5
#define WAIT_STEP_MS 200
#define REDIS_MS     1000
#define REMEMBERED_S "600"

enum service_end service_open(struct work *w, struct service *s)
{
	CLEANUP(buf_done) struct buf suffix = BUF_INIT;
	struct http_options o = {
		.root = w->site->url, .max_bytes = MAX_BYTES, .tick = work_tick, .tick_arg = w
	};
	struct error err;

	if (w->site->road == SITE_ROAD_BROWSER)
		return SERVICE_NONE;
	if (moodle_session_load(w, &s->sealed) < 0)
		return SERVICE_FAILED;
	s->token = s->sealed ? moodle_session_service(w, s->sealed) : NULL;
	if (json_object_get(s->token, "token") == NULL)
		return SERVICE_NONE;
	if (site_is_paused(w))
		return SERVICE_FAILED;
	site_name_us(w, &suffix);
	o.user_agent = suffix.data;
	if (http_open(&o, &s->http, &err) < 0) {
		log_error("no web service", "err=\"%s\"", err.text);
		return SERVICE_NONE;
	}
	s->root = w->site->url;
	s->patience_s = PATIENCE_S;
	return SERVICE_OK;
}

void service_close(struct service *s)
{
	http_close(s->http);
	free(s->sealed);
	json_decref(s->token);
	*s = (struct service)SERVICE_INIT;
}

/* ---- one request ---- */

void service_add_call(json_t *calls, const char *function, json_t *arguments)
{
	json_array_append_new(
		calls, json_pack("{s:s, s:o}", "function", function, "arguments", arguments));
}

static void make_form(const struct service *s, const json_t *calls, struct buf *form)
{
	const json_t *call;
	char name[48];
	size_t i;

	http_form_add(form, "wstoken", json_string_value(json_object_get(s->token, "token")));
	http_form_add(form, "wsfunction", "tool_mobile_call_external_functions");
	http_form_add(form, "moodlewsrestformat", "json");
	json_array_foreach (calls, i, call) {
		CLEANUP_FREE char *args =
			json_dumps(json_object_get(call, "arguments"), JSON_COMPACT);

		snprintf(name, sizeof(name), "requests[%zu][function]", i);
		http_form_add(form, name, json_string_value(json_object_get(call, "function")));
		snprintf(name, sizeof(name), "requests[%zu][arguments]", i);
		http_form_add(form, name, args);
		snprintf(name, sizeof(name), "requests[%zu][settingfilter]", i);
		http_form_add(form, name, "1"); /* names as pages show them */
	}
}

static enum service_end fail_by_errno(struct work *w, int e, const struct error *err)
{
	log_warning("web service failed", "err=\"%s\"", err->text);
	/* A browser finds the certificates that a server forgets to send, and some sites hang up
	 * on this path alone. */
	if (e == -EMSGSIZE || e == -EPROTO || (e == -ETIMEDOUT && !deadline_is_over(w->deadline)))
		return SERVICE_NONE;
	work_fail(w,
		  e == -ECANCELED   ? "cancelled"
		  : e == -ETIMEDOUT ? "timeout"
				    : "site_down",
		  NULL);
	return SERVICE_FAILED;
}

/* A short wait is waited for here; what is longer is the queue's. */
static enum service_end wait_for_site(struct work *w, struct service *s, int64_t seconds)
{
	struct deadline until;

	if (seconds > s->patience_s) {
		site_pause(w, seconds);
		work_fail(w, "site_busy", NULL);
		return SERVICE_FAILED;
	}
	s->patience_s -= (int)seconds;
	until = deadline_in(seconds * 1000);
	while (!deadline_is_over(until)) {
		if (work_tick(w) != 0) {
			work_fail(w, "cancelled", NULL);
			return SERVICE_FAILED;
		}
		clock_sleep_ms(WAIT_STEP_MS);
	}
	return SERVICE_OK;
}

static enum service_end post(struct work *w, struct service *s, const struct buf *form,
			     struct http_answer *a)
{
	enum service_end end;
	struct error err;
	int e;

	do {
		if (pace_take(w, NULL) < 0)
			return SERVICE_FAILED;
		s->requests++;
		e = http_post(s->http, SERVER, form,
			      deadline_min(w->deadline, deadline_in(REQUEST_MS)), a, &err);
		if (e < 0)
			return fail_by_errno(w, e, &err);
		s->bytes += (long long)a->body.len;
		s->time = a->time;
		if (site_is_closed(a->status, a->expires)) {
			work_fail(w, "maintenance", NULL);
			return SERVICE_FAILED;
		}
		if ((a->status != 429 && a->status != 503) || a->retry_after_s == 0)
			return SERVICE_OK;
		end = wait_for_site(w, s, a->retry_after_s);
	} while (end == SERVICE_OK);
	return end;
}

/* ---- its answer ---- */

static bool is_one_of(const char *word, const char *const words[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* Not for this token, now or later: the next sign-in asks for one again. */
static enum service_end drop_token(struct work *w, struct service *s, const char *why)
{
	log_info("web service not for this student", "why=%s", why);
	moodle_session_drop_service(w, s->sealed);
	return SERVICE_NONE;
}

static enum service_end judge_error(struct work *w, struct service *s, const char *code)
{
	static const char *const dead[] = { "invalidtoken",	     "accessexception",
					    "invalidtimedtoken",     "servicenotavailable",
					    "invalidiptoken",	     "enablewsdescription",
					    "usernotconfirmed",	     "wsaccessuserdeleted",
					    "wsaccessusersuspended", "wsaccessuserunconfirmed",
					    "wsaccessusernologin" };

	if (is_one_of(code, dead, ARRAY_LEN(dead)))
		return drop_token(w, s, "token");
	log_info("web service does not answer this", "code=\"%.40s\"", code);
	return SERVICE_NONE;
}

static enum service_end judge_status(struct work *w, struct service *s, long status)
{
	if (status == 200)
		return SERVICE_OK;
	return status == 403 || status == 404 ? drop_token(w, s, "http") : SERVICE_NONE;
}

/* answer is taken. */
static enum service_end judge_answer(struct work *w, struct service *s, json_t *answer,
				     json_t **ret)
{
	enum service_end end = SERVICE_NONE;

	if (json_is_object(answer)) {
		end = judge_error(w, s, json_string_value(json_object_get(answer, "errorcode")));
	} else if (answer != NULL) {
		*ret = json_incref(answer);
		end = SERVICE_OK;
	}
	json_decref(answer);
	return end;
}

enum service_end service_call(struct work *w, struct service *s, const json_t *calls, json_t **ret)
{
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;
	CLEANUP(buf_wipe) struct buf form = BUF_INIT;
	enum service_end end;

	make_form(s, calls, &form);
	end = post(w, s, &form, &a);
	if (end == SERVICE_OK)
		end = judge_status(w, s, a.status);
	if (end == SERVICE_OK)
		end = judge_answer(
			w, s, service_answer_parse(a.body.data, a.body.len, json_array_size(calls)),
			ret);
	return end;
}

int service_allow_browser(struct work *w)
{
	return w->site->road == SITE_ROAD_SERVICE ? work_fail(w, "no_service", NULL) : 0;
}

bool service_is_wanted(struct work *w)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[KEY_SIZE];

	if (w->site->road != SITE_ROAD_AUTO)
		return w->site->road == SITE_ROAD_SERVICE;
	key_no_service(key, w->site->id);
	return redis_call(w->redis, REDIS_MS, &reply, NULL, "EXISTS", key, NULL) < 0 ||
	       redis_integer(reply) == 0;
}

void service_learn(struct work *w, const json_t *offered)
{
	char key[KEY_SIZE];

	if (!json_is_false(offered))
		return;
	key_no_service(key, w->site->id);
	redis_call(w->redis, REDIS_MS, NULL, NULL, "SET", key, "", "EX", REMEMBERED_S, NULL);
}

void service_tell_cost(struct work *w, const struct service *s, long long requests, long long bytes)
{
	requests += s->requests;
	bytes += s->bytes;
	json_object_set_new(w->result, "requests", json_integer(requests));
	json_object_set_new(w->result, "bytes", json_integer(bytes));
	log_info("Moodle asked", "requests=%lld bytes=%lld by_service=%lld", requests, bytes,
		 s->requests);
}
