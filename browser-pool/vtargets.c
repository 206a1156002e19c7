#include "vtargets.h"

#include <errno.h>
#include <string.h>

#include "browser.h"
#include "mem.h"
#include "pool_lease.h"
#include "popups.h"
#include "vbrowser.h"

const char *vtargets_text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static const char *text_of(json_t *object, const char *member)
{
	return vtargets_text_of(object, member);
}

int vtargets_refuse_unknown(struct error *err)
{
	return error_set(err, -ENOENT, "pool: unknown target");
}

static bool is_own(const struct vbrowser *v, const char *target)
{
	return v->shown && targets_find(v->context, target) != NULL;
}

/* Telling of them */

static void tell_target(struct vbrowser *v, const char *method, json_t *info)
{
	pool_lease_tell(v->lease,
			json_pack("{ss s{sO}}", "method", method, "params", "targetInfo", info));
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

bool vbrowser_wants_to_wait(const struct vbrowser *v)
{
	return v->waits && is_wished(&v->attach, "page");
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
		vcall_ignored(
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
	    !outflow_is_slow(&v->lease->outflow))
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
		if (is_own(v, text_of(info, "targetId")))
			json_array_append(own, info);
	return own;
}

static void list_targets(const struct vcall *call, call_fn *fn)
{
	vcall_go(call, call->v->context->browser_session, "Target.getTargets",
		 json_pack("{s[{}]}", "filter"), fn);
}

static void for_each_own(struct vcall *call, json_t *result,
			 void (*fn)(struct vbrowser *v, json_t *info))
{
	json_t *own = own_infos(call->v, result), *info;
	size_t i;

	json_array_foreach (own, i, info)
		fn(call->v, info);
	json_decref(own);
}

static json_t *browser_info(void)
{
	return json_pack("{ss ss ss ss sb sb}", "targetId", "browser", "type", "browser", "title",
			 "", "url", "", "attached", 1, "canAccessOpener", 0);
}

/* One that is named */

static int pass_on_own(const struct vcall *call, json_t *params, const char *method,
		       struct error *err)
{
	const char *target = text_of(params, "targetId");

	if (!is_own(call->v, target))
		return vtargets_refuse_unknown(err);
	vcall_pass(call, method, json_pack("{ss}", "targetId", target));
	return 0;
}

int vtargets_activate(const struct vcall *call, json_t *params, struct error *err)
{
	return pass_on_own(call, params, "Target.activateTarget", err);
}

int vtargets_close(const struct vcall *call, json_t *params, struct error *err)
{
	return pass_on_own(call, params, "Target.closeTarget", err);
}

void vtargets_close_pages(struct vbrowser *v)
{
	const struct target *t;

	TAILQ_FOREACH (t, &v->context->targets, link)
		if (t->is_page && v->shown)
			vcall_ignored(v, v->context->browser_session, "Target.closeTarget",
				      json_pack("{ss}", "targetId", t->id));
}

int vtargets_get_info(const struct vcall *call, json_t *params, struct error *err)
{
	if (json_object_get(params, "targetId") != NULL)
		return pass_on_own(call, params, "Target.getTargetInfo", err);
	vcall_answer(call, json_pack("{so}", "targetInfo", browser_info()));
	return 0;
}

/* Sessions */

/* The event has come before the answer, and given the session its name. */
static void on_attached(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;
	struct session *s;

	if (vcall_goes_on(call, result, error)) {
		s = sessions_find_child(call->v->context, text_of(result, "sessionId"));
		if (s != NULL)
			vcall_answer(call, json_pack("{ss}", "sessionId", s->name));
		else
			vcall_fail(call, "pool: too many sessions");
	}
	free(call);
}

int vtargets_attach(const struct vcall *call, json_t *params, struct error *err)
{
	const char *target = text_of(params, "targetId");

	if (!is_own(call->v, target))
		return vtargets_refuse_unknown(err);
	if (!json_is_true(json_object_get(params, "flatten")))
		return error_set(err, -EPERM, "pool: only flat sessions");
	vcall_go(call, call->session->real, "Target.attachToTarget",
		 json_pack("{ss sb}", "targetId", target, "flatten", 1), on_attached);
	return 0;
}

/* A second way in, whose sessions are told apart from the first one's. */
int vtargets_attach_browser(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	vcall_go(call, call->session->real, "Target.attachToBrowserTarget", NULL, on_attached);
	return 0;
}

int vtargets_detach(const struct vcall *call, json_t *params, struct error *err)
{
	if (!session_detach_child(call->session, text_of(params, "sessionId"), call->client_id))
		return error_set(err, -ENOENT, "pool: unknown session");
	return 0;
}

/* All of them */

static void on_list(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;

	if (vcall_goes_on(call, result, error))
		vcall_answer(call, json_pack("{so}", "targetInfos", own_infos(call->v, result)));
	free(call);
}

int vtargets_get_all(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	list_targets(call, on_list);
	return 0;
}

static void on_discovered(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;

	if (vcall_goes_on(call, result, error)) {
		for_each_own(call, result, tell_if_wished);
		vcall_answer(call, json_object());
	}
	free(call);
}

int vtargets_set_discover(const struct vcall *call, json_t *params, struct error *err)
{
	json_t *browser = browser_info();

	(void)err;
	set_wish(&call->v->discover, params, "discover");
	tell_if_wished(call->v, browser);
	json_decref(browser);
	list_targets(call, on_discovered);
	return 0;
}

static void on_attach_list(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;

	if (vcall_goes_on(call, result, error)) {
		for_each_own(call, result, attach_if_wished);
		vcall_answer_after_all(call);
	}
	free(call);
}

int vtargets_set_auto_attach(const struct vcall *call, json_t *params, struct error *err)
{
	if (!json_is_true(json_object_get(params, "flatten")))
		return error_set(err, -EPERM, "pool: only flat sessions");
	set_wish(&call->v->attach, params, "autoAttach");
	call->v->waits = json_is_true(json_object_get(params, "waitForDebuggerOnStart"));
	popups_update(call->v->context);
	list_targets(call, on_attach_list);
	return 0;
}

/* New ones */

static void on_shown(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;

	if (vcall_goes_on(call, result, error)) {
		for_each_own(call, result, vbrowser_note_created);
		vcall_answer_after_all(call);
	}
	free(call);
}

/* The page that was lent becomes the client's first. */
static void show_page(struct vcall *call, const char *url)
{
	struct context *c = call->v->context;

	call->v->shown = true;
	memcpy(call->target, c->target, sizeof(call->target));
	if (strcmp(url, "about:blank") != 0)
		vcall_ignored(call->v, c->page_session, "Page.navigate",
			      json_pack("{ss}", "url", url));
	list_targets(call, on_shown);
}

static void on_made(void *arg, json_t *result, const char *error)
{
	struct vcall *call = arg;
	const char *target = text_of(result, "targetId");

	if (vcall_goes_on(call, result, error) && strlen(target) < sizeof(call->target)) {
		memcpy(call->target, target, strlen(target) + 1);
		vcall_answer_after_all(call);
	}
	free(call);
}

int vtargets_create(const struct vcall *call, const char *url, struct error *err)
{
	struct context *c = call->v->context;
	struct vcall shown = *call;

	if (!call->v->shown && !c->target_gone) {
		show_page(&shown, url);
		return 0;
	}
	if (c->page_count >= CONTEXT_MAX_PAGES)
		return error_set(err, -EPERM, "pool: a lease has at most %d pages",
				 CONTEXT_MAX_PAGES);
	call->v->shown = true;
	vcall_go(call, c->browser_session, "Target.createTarget",
		 json_pack("{ss ss}", "url", url, "browserContextId", c->name), on_made);
	return 0;
}
