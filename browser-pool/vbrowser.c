#include "vbrowser.h"

#include <errno.h>
#include <string.h>

#include "browser.h"
#include "filter.h"
#include "mem.h"
#include "pool.h"

/* Which targets the client wants to hear of, and in which way. */
struct wish {
	bool on;
	json_t *filter; /* NULL: Chromium's own */
};

struct vbrowser {
	struct pool_lease *lease;
	struct context *context;
	bool shown;	   /* the client knows the page that was lent */
	bool context_made; /* createBrowserContext was answered */
	struct wish discover, attach;
};

/* A call of the client that takes more than one step. */
struct step {
	struct vbrowser *v;
	int64_t client_id;
	char target[CDP_NAME_SIZE];
};

typedef int verb_fn(struct vbrowser *v, int64_t id, json_t *params, struct error *err);

struct vbrowser *vbrowser_new(struct pool_lease *l)
{
	struct vbrowser *v = mem_zalloc(sizeof(*v));

	v->lease = l;
	v->context = l->context;
	return v;
}

void vbrowser_free(struct vbrowser *v)
{
	if (v == NULL)
		return;
	json_decref(v->discover.filter);
	json_decref(v->attach.filter);
	free(v);
}

/* Words to the client */

static void answer(struct vbrowser *v, int64_t id, json_t *result)
{
	pool_lease_tell(v->lease, json_pack("{sI so}", "id", (json_int_t)id, "result", result));
}

static void tell_target(struct vbrowser *v, const char *method, json_t *info)
{
	pool_lease_tell(v->lease,
			json_pack("{ss s{sO}}", "method", method, "params", "targetInfo", info));
}

static int refuse_unknown(struct error *err)
{
	return error_set(err, -ENOENT, "pool: unknown target");
}

/* Calls on Chromium */

/* The client's call as it is, but with these parameters; its answer goes to the client unseen. */
static void pass(struct vbrowser *v, int64_t id, const char *method, json_t *params)
{
	struct context *c = v->context;
	struct call call = { .owner = c, .session = &c->root, .client_id = id };

	browser_call_as(c->browser, &call, c->browser_session, method, params);
}

static void call_step(const struct step *step, const char *method, json_t *params, call_fn *fn)
{
	struct context *c = step->v->context;
	struct step *copy = mem_zalloc(sizeof(*copy));
	struct call call = { .fn = fn, .arg = copy, .owner = c };

	*copy = *step;
	browser_call_as(c->browser, &call, c->browser_session, method, params);
}

/* What every step's end begins with: false when there is nobody to go on for. */
static bool goes_on(const struct step *step, json_t *result, const char *error)
{
	if (step->v->lease->state != POOL_LEASE_LENT)
		return false;
	if (result == NULL)
		pool_lease_answer_error(step->v->lease, NULL, step->client_id, CDP_ERROR_SERVER,
					error);
	return result != NULL;
}

static void on_done(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;

	if (goes_on(step, result, error))
		answer(step->v, step->client_id,
		       step->target[0] ? json_pack("{ss}", "targetId", step->target)
				       : json_object());
	free(step);
}

/* Answers when all that was asked of Chromium before is done, and its events have come. */
static void answer_after_all(const struct step *step)
{
	call_step(step, "Browser.getVersion", NULL, on_done);
}

static void on_ignored(void *arg, json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

static void call_ignored(struct vbrowser *v, const char *session, const char *method,
			 json_t *params)
{
	browser_call(v->context->browser, session, method, params, on_ignored, NULL);
}

/* Targets */

static const char *text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static bool is_own(const struct vbrowser *v, json_t *params)
{
	return v->shown && targets_find(v->context, text_of(params, "targetId")) != NULL;
}

/* Chromium's rule: the first entry for the type decides. */
static bool is_wished(const struct wish *wish, const char *type)
{
	json_t *entry;
	size_t i;

	if (!wish->on)
		return false;
	if (wish->filter == NULL)
		return strcmp(type, "tab") != 0 && strcmp(type, "browser") != 0;
	json_array_foreach (wish->filter, i, entry) {
		const char *wanted = text_of(entry, "type");

		if (*wanted == '\0' || strcmp(wanted, type) == 0)
			return !json_is_true(json_object_get(entry, "exclude"));
	}
	return false;
}

static void set_wish(struct wish *wish, json_t *params, const char *member)
{
	json_t *filter = json_object_get(params, "filter");

	json_decref(wish->filter);
	wish->on = json_is_true(json_object_get(params, member));
	wish->filter = json_is_array(filter) ? json_incref(filter) : NULL;
}

/* Others are children of pages, and attached to through them. */
static bool is_attachable(const char *type)
{
	static const char *const types[] = { "page", "tab", "service_worker", "shared_worker" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static void attach_if_wished(struct vbrowser *v, json_t *info)
{
	const char *type = text_of(info, "type");

	if (is_attachable(type) && is_wished(&v->attach, type))
		call_ignored(
			v, v->context->browser_session, "Target.attachToTarget",
			json_pack("{ss sb}", "targetId", text_of(info, "targetId"), "flatten", 1));
}

static void tell_if_wished(struct vbrowser *v, json_t *info)
{
	if (is_wished(&v->discover, text_of(info, "type")))
		tell_target(v, "Target.targetCreated", info);
}

void vbrowser_note_created(struct vbrowser *v, json_t *info)
{
	if (!v->shown)
		return;
	tell_if_wished(v, info);
	attach_if_wished(v, info);
}

void vbrowser_note_changed(struct vbrowser *v, json_t *info)
{
	/* A page can change its title all the time: who does not read misses some. */
	if (v->shown && is_wished(&v->discover, text_of(info, "type")) &&
	    !pool_lease_is_slow(v->lease))
		tell_target(v, "Target.targetInfoChanged", info);
}

void vbrowser_note_destroyed(struct vbrowser *v, const char *target)
{
	if (v->shown && v->discover.on)
		pool_lease_tell(v->lease,
				json_pack("{ss s{ss}}", "method", "Target.targetDestroyed",
					  "params", "targetId", target));
}

/* The lease's own among all of the browser's. */
static json_t *own_infos(const struct vbrowser *v, json_t *result)
{
	json_t *own = json_array(), *info;
	size_t i;

	json_array_foreach (json_object_get(result, "targetInfos"), i, info)
		if (is_own(v, info))
			json_array_append(own, info);
	return own;
}

static void list_targets(const struct step *step, call_fn *fn)
{
	call_step(step, "Target.getTargets", json_pack("{s[{}]}", "filter"), fn);
}

static json_t *browser_info(void)
{
	return json_pack("{ss ss ss ss sb sb}", "targetId", "browser", "type", "browser", "title",
			 "", "url", "", "attached", 1, "canAccessOpener", 0);
}

/* The verbs */

static int browser_close(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	answer(v, id, json_object());
	pool_lease_end(v->lease, POOL_REASON_CLOSED, "");
	return 0;
}

static int browser_get_version(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	pass(v, id, "Browser.getVersion", NULL);
	return 0;
}

static int answer_nothing(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	answer(v, id, json_object());
	return 0;
}

static int browser_get_window(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	answer(v, id, filter_window());
	return 0;
}

/* No other context may be named, and none need be. */
static int check_context(const struct vbrowser *v, json_t *params, struct error *err)
{
	json_t *name = json_object_get(params, "browserContextId");

	if (name == NULL || (v->context_made && json_is_string(name) &&
			     strcmp(json_string_value(name), v->context->name) == 0))
		return 0;
	return refuse_unknown(err);
}

static int pass_storage(struct vbrowser *v, int64_t id, json_t *params, const char *method,
			struct error *err)
{
	json_t *own;

	if (check_context(v, params, err) < 0)
		return -ENOENT;
	own = json_pack("{ss sO*}", "browserContextId", v->context->name, "cookies",
			json_object_get(params, "cookies"));
	pass(v, id, method, own);
	return 0;
}

static int storage_clear_cookies(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	return pass_storage(v, id, params, "Storage.clearCookies", err);
}

static int storage_get_cookies(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	return pass_storage(v, id, params, "Storage.getCookies", err);
}

static int storage_set_cookies(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	return pass_storage(v, id, params, "Storage.setCookies", err);
}

static int pass_on_own(struct vbrowser *v, int64_t id, json_t *params, const char *method,
		       struct error *err)
{
	if (!is_own(v, params))
		return refuse_unknown(err);
	pass(v, id, method, json_pack("{ss}", "targetId", text_of(params, "targetId")));
	return 0;
}

static int target_activate(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	return pass_on_own(v, id, params, "Target.activateTarget", err);
}

static int target_close(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	return pass_on_own(v, id, params, "Target.closeTarget", err);
}

static int target_get_info(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	if (json_object_get(params, "targetId") != NULL)
		return pass_on_own(v, id, params, "Target.getTargetInfo", err);
	answer(v, id, json_pack("{so}", "targetInfo", browser_info()));
	return 0;
}

/* The event has come before the answer, and given the session its name. */
static void on_attached(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;
	struct session *s;

	if (goes_on(step, result, error)) {
		s = sessions_find_child(step->v->context, text_of(result, "sessionId"));
		if (s != NULL)
			answer(step->v, step->client_id, json_pack("{ss}", "sessionId", s->name));
		else
			pool_lease_answer_error(step->v->lease, NULL, step->client_id,
						CDP_ERROR_SERVER, "pool: too many sessions");
	}
	free(step);
}

static int target_attach(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };

	if (!is_own(v, params))
		return refuse_unknown(err);
	if (!json_is_true(json_object_get(params, "flatten")))
		return error_set(err, -EPERM, "pool: only flat sessions");
	call_step(&step, "Target.attachToTarget",
		  json_pack("{ss sb}", "targetId", text_of(params, "targetId"), "flatten", 1),
		  on_attached);
	return 0;
}

static int target_detach(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	if (!session_detach_child(&v->context->root, text_of(params, "sessionId"), id))
		return error_set(err, -ENOENT, "pool: unknown session");
	return 0;
}

static int target_get_contexts(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	json_t *names = json_array();

	(void)params;
	(void)err;
	if (v->context_made)
		json_array_append_new(names, json_string(v->context->name));
	answer(v, id, json_pack("{so}", "browserContextIds", names));
	return 0;
}

static int target_create_context(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	if (v->context_made)
		return error_set(err, -EPERM, "pool: a lease has one browser context");
	if (text_of(params, "proxyServer")[0] != '\0')
		return error_set(err, -EPERM, "pool: no proxies");
	v->context_made = true;
	answer(v, id, json_pack("{ss}", "browserContextId", v->context->name));
	return 0;
}

/* Its pages close; the context itself goes with the lease. */
static int target_dispose_context(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };
	const struct target *t;

	if (json_object_get(params, "browserContextId") == NULL ||
	    check_context(v, params, err) < 0)
		return refuse_unknown(err);
	TAILQ_FOREACH (t, &v->context->targets, link)
		if (t->is_page && v->shown)
			call_ignored(v, v->context->browser_session, "Target.closeTarget",
				     json_pack("{ss}", "targetId", t->id));
	answer_after_all(&step);
	return 0;
}

static void on_list(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;

	if (goes_on(step, result, error))
		answer(step->v, step->client_id,
		       json_pack("{so}", "targetInfos", own_infos(step->v, result)));
	free(step);
}

static int target_get_targets(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };

	(void)params;
	(void)err;
	list_targets(&step, on_list);
	return 0;
}

static void for_each_own(struct step *step, json_t *result,
			 void (*fn)(struct vbrowser *v, json_t *info))
{
	json_t *own = own_infos(step->v, result), *info;
	size_t i;

	json_array_foreach (own, i, info)
		fn(step->v, info);
	json_decref(own);
}

static void on_discovered(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;

	if (goes_on(step, result, error)) {
		for_each_own(step, result, tell_if_wished);
		answer(step->v, step->client_id, json_object());
	}
	free(step);
}

static int target_set_discover(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };
	json_t *browser = browser_info();

	(void)err;
	set_wish(&v->discover, params, "discover");
	tell_if_wished(v, browser);
	json_decref(browser);
	list_targets(&step, on_discovered);
	return 0;
}

static void on_attach_list(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;

	if (goes_on(step, result, error)) {
		for_each_own(step, result, attach_if_wished);
		answer_after_all(step);
	}
	free(step);
}

static int target_set_auto_attach(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };

	if (!json_is_true(json_object_get(params, "flatten")))
		return error_set(err, -EPERM, "pool: only flat sessions");
	set_wish(&v->attach, params, "autoAttach");
	list_targets(&step, on_attach_list);
	return 0;
}

static void on_shown(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;

	if (goes_on(step, result, error)) {
		for_each_own(step, result, vbrowser_note_created);
		answer_after_all(step);
	}
	free(step);
}

/* The page that was lent becomes the client's first. */
static void show_page(struct step *step, const char *url)
{
	struct context *c = step->v->context;

	step->v->shown = true;
	memcpy(step->target, c->target, sizeof(step->target));
	if (strcmp(url, "about:blank") != 0)
		call_ignored(step->v, c->page_session, "Page.navigate",
			     json_pack("{ss}", "url", url));
	list_targets(step, on_shown);
}

static void on_made(void *arg, json_t *result, const char *error)
{
	struct step *step = arg;
	const char *target = text_of(result, "targetId");

	if (goes_on(step, result, error) && strlen(target) < sizeof(step->target)) {
		memcpy(step->target, target, strlen(target) + 1);
		answer_after_all(step);
	}
	free(step);
}

static int target_create(struct vbrowser *v, int64_t id, json_t *params, struct error *err)
{
	struct step step = { .v = v, .client_id = id };
	const char *url = text_of(params, "url");
	struct context *c = v->context;
	int r = check_context(v, params, err);

	if (r == 0 && *url != '\0')
		r = filter_check_url(params, err);
	if (r < 0)
		return r;
	if (*url == '\0')
		url = "about:blank";
	if (!v->shown)
		show_page(&step, url);
	else if (c->page_count >= CONTEXT_MAX_PAGES)
		return error_set(err, -EPERM, "pool: a lease has at most %d pages",
				 CONTEXT_MAX_PAGES);
	else
		call_step(&step, "Target.createTarget",
			  json_pack("{ss ss}", "url", url, "browserContextId", c->name), on_made);
	return 0;
}

static const struct {
	const char *method;
	verb_fn *run;
} verbs[] = {
	{ "Browser.close", browser_close },
	{ "Browser.getVersion", browser_get_version },
	{ "Browser.getWindowBounds", browser_get_window },
	{ "Browser.getWindowForTarget", browser_get_window },
	{ "Browser.setDownloadBehavior", answer_nothing },
	{ "Browser.setWindowBounds", answer_nothing },
	{ "Storage.clearCookies", storage_clear_cookies },
	{ "Storage.getCookies", storage_get_cookies },
	{ "Storage.setCookies", storage_set_cookies },
	{ "Target.activateTarget", target_activate },
	{ "Target.attachToTarget", target_attach },
	{ "Target.closeTarget", target_close },
	{ "Target.createBrowserContext", target_create_context },
	{ "Target.createTarget", target_create },
	{ "Target.detachFromTarget", target_detach },
	{ "Target.disposeBrowserContext", target_dispose_context },
	{ "Target.getBrowserContexts", target_get_contexts },
	{ "Target.getTargetInfo", target_get_info },
	{ "Target.getTargets", target_get_targets },
	{ "Target.setAutoAttach", target_set_auto_attach },
	{ "Target.setDiscoverTargets", target_set_discover },
};

static int run(struct vbrowser *v, const struct cdpmsg *m, json_t *params, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (cdpmsg_method_is(m, verbs[i].method))
			return verbs[i].run(v, m->id, params, err);
	return filter_refuse(m, err);
}

void vbrowser_take_message(struct vbrowser *v, const struct cdpmsg *m)
{
	struct error err = { 0 };
	json_t *params = json_object();
	int r;

	if (m->params.len > 0) {
		json_decref(params);
		/* Doubled names could be read in two ways. */
		params = json_loadb(m->text + m->params.at, m->params.len, JSON_REJECT_DUPLICATES,
				    NULL);
	}
	if (json_is_object(params))
		r = run(v, m, params, &err);
	else
		r = error_set(&err, -EPERM, "pool: parameters not understood");
	json_decref(params);
	if (r == -ENOSYS)
		pool_lease_deny(v->lease, NULL, m, &err);
	else if (r < 0)
		pool_lease_answer_error(v->lease, NULL, m->id,
					r == -ENOENT ? CDP_ERROR_BAD_PARAMS : CDP_ERROR_SERVER,
					err.text);
}
