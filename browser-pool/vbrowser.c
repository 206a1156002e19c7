#include "vbrowser.h"

#include <errno.h>
#include <string.h>

#include "browser.h"
#include "filter.h"
#include "mem.h"
#include "pool.h"
#include "vtargets.h"

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

/* The verbs */

static int browser_close(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	vcall_answer(call, json_object());
	pool_lease_end(call->v->lease, POOL_REASON_CLOSED, "");
	return 0;
}

static int browser_get_version(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	vcall_pass(call, "Browser.getVersion", NULL);
	return 0;
}

static int answer_nothing(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	vcall_answer(call, json_object());
	return 0;
}

static int browser_get_window(const struct vcall *call, json_t *params, struct error *err)
{
	(void)params;
	(void)err;
	vcall_answer(call, filter_window());
	return 0;
}

/* No other context may be named, and none need be. */
static int check_context(const struct vbrowser *v, json_t *params, struct error *err)
{
	json_t *name = json_object_get(params, "browserContextId");

	if (name == NULL || (v->context_made && json_is_string(name) &&
			     strcmp(json_string_value(name), v->context->name) == 0))
		return 0;
	return vtargets_refuse_unknown(err);
}

static int pass_storage(const struct vcall *call, json_t *params, const char *method,
			struct error *err)
{
	json_t *own;

	if (check_context(call->v, params, err) < 0)
		return -ENOENT;
	own = json_pack("{ss sO*}", "browserContextId", call->v->context->name, "cookies",
			json_object_get(params, "cookies"));
	vcall_pass(call, method, own);
	return 0;
}

static int storage_clear_cookies(const struct vcall *call, json_t *params, struct error *err)
{
	return pass_storage(call, params, "Storage.clearCookies", err);
}

static int storage_get_cookies(const struct vcall *call, json_t *params, struct error *err)
{
	return pass_storage(call, params, "Storage.getCookies", err);
}

static int storage_set_cookies(const struct vcall *call, json_t *params, struct error *err)
{
	return pass_storage(call, params, "Storage.setCookies", err);
}

static int target_get_contexts(const struct vcall *call, json_t *params, struct error *err)
{
	json_t *names = json_array();

	(void)params;
	(void)err;
	if (call->v->context_made)
		json_array_append_new(names, json_string(call->v->context->name));
	vcall_answer(call, json_pack("{so}", "browserContextIds", names));
	return 0;
}

static int target_create_context(const struct vcall *call, json_t *params, struct error *err)
{
	if (call->v->context_made)
		return error_set(err, -EPERM, "pool: a lease has one browser context");
	if (vtargets_text_of(params, "proxyServer")[0] != '\0')
		return error_set(err, -EPERM, "pool: no proxies");
	call->v->context_made = true;
	vcall_answer(call, json_pack("{ss}", "browserContextId", call->v->context->name));
	return 0;
}

/* Its pages close; the context itself goes with the lease. */
static int target_dispose_context(const struct vcall *call, json_t *params, struct error *err)
{
	if (json_object_get(params, "browserContextId") == NULL ||
	    check_context(call->v, params, err) < 0)
		return vtargets_refuse_unknown(err);
	vtargets_close_pages(call->v);
	vcall_answer_after_all(call);
	return 0;
}

static int target_create(const struct vcall *call, json_t *params, struct error *err)
{
	const char *url = vtargets_text_of(params, "url");
	int r = check_context(call->v, params, err);

	if (r == 0 && *url != '\0')
		r = filter_check_url(params, err);
	if (r < 0)
		return r;
	return vtargets_create(call, *url ? url : "about:blank", err);
}

static const struct {
	const char *method;
	verb_fn *run;
	bool first_only; /* there is one wish, of the first way in */
} verbs[] = {
	{ "Browser.close", browser_close, false },
	{ "Browser.getVersion", browser_get_version, false },
	{ "Browser.getWindowBounds", browser_get_window, false },
	{ "Browser.getWindowForTarget", browser_get_window, false },
	{ "Browser.setDownloadBehavior", answer_nothing, false },
	{ "Browser.setWindowBounds", answer_nothing, false },
	{ "Storage.clearCookies", storage_clear_cookies, false },
	{ "Storage.getCookies", storage_get_cookies, false },
	{ "Storage.setCookies", storage_set_cookies, false },
	{ "Target.activateTarget", vtargets_activate, false },
	{ "Target.attachToBrowserTarget", vtargets_attach_browser, false },
	{ "Target.attachToTarget", vtargets_attach, false },
	{ "Target.closeTarget", vtargets_close, false },
	{ "Target.createBrowserContext", target_create_context, false },
	{ "Target.createTarget", target_create, false },
	{ "Target.detachFromTarget", vtargets_detach, false },
	{ "Target.disposeBrowserContext", target_dispose_context, false },
	{ "Target.getBrowserContexts", target_get_contexts, false },
	{ "Target.getTargetInfo", vtargets_get_info, false },
	{ "Target.getTargets", vtargets_get_all, false },
	{ "Target.setAutoAttach", vtargets_set_auto_attach, true },
	{ "Target.setDiscoverTargets", vtargets_set_discover, true },
};

static int run(const struct vcall *call, const struct cdpmsg *m, json_t *params, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (cdpmsg_method_is(m, verbs[i].method) &&
		    (!verbs[i].first_only || call->session->parent == NULL))
			return verbs[i].run(call, params, err);
	return filter_refuse(m, err);
}

/* NULL when it is no object, or a name is doubled: that could be read in two ways. */
static json_t *parse_params(const struct cdpmsg *m)
{
	json_t *params;

	if (m->params.len == 0)
		return json_object();
	params = json_loadb(m->text + m->params.at, m->params.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(params))
		return params;
	json_decref(params);
	return NULL;
}

void vbrowser_take_message(struct vbrowser *v, struct session *s, const struct cdpmsg *m)
{
	struct vcall call = { .v = v, .client_id = m->id, .session = s };
	json_t *params = parse_params(m);
	struct error err = { 0 };
	int r;

	memcpy(call.name, s->name, sizeof(call.name));
	if (params != NULL)
		r = run(&call, m, params, &err);
	else
		r = error_set(&err, -EPERM, "pool: parameters not understood");
	json_decref(params);
	if (r == -ENOSYS)
		pool_lease_deny(v->lease, session_client_name(s), m, &err);
	else if (r < 0)
		pool_lease_answer_error(v->lease, session_client_name(s), m->id,
					r == -ENOENT ? CDP_ERROR_BAD_PARAMS : CDP_ERROR_SERVER,
					err.text);
}
