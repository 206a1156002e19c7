#include "page.h"

#include <errno.h>
#include <string.h>

#include "mem.h"
#include "page_answer.h"

#define NO_CONTEXT "Cannot find context with specified id"
#define RESTORE_MS 1000 /* for what must be undone, even when the deadline is over */

/* By name, and by Moodle's scripts that serve such files under any name. */
static const char *const blocked_urls[] = {
	"*.png", "*.png?*", "*.jpg", "*.jpg?*", "*.jpeg", "*.jpeg?*", "*.gif", "*.gif?*",
	"*.svg", "*.svg?*", "*.webp", "*.webp?*", "*.ico", "*.ico?*", "*.css", "*.css?*",
	"*.woff*", "*.ttf*", "*.eot*", "*.mp4*", "*.webm*", "*.mp3*", "*.ogg*",
	"*/theme/styles.php*", "*/theme/image.php*", "*/theme/font.php*", "*/theme/yui_*",
	"*/pluginfile.php/*/user/icon/*",
};

int page_call(struct lease *l, const char *method, json_t *params, struct deadline deadline,
	      json_t **ret, struct error *err)
{
	int r = lease_call(l, method, params, deadline, ret, err);

	json_decref(params);
	return r;
}

static int answer_dialog(struct lease *l, json_t *params, void *arg, struct error *err)
{
	const char *type = json_string_value(json_object_get(params, "type"));
	bool yes =
		type != NULL && (strcmp(type, "alert") == 0 || strcmp(type, "beforeunload") == 0);

	(void)arg;
	(void)err;
	lease_post(l, "Page.handleJavaScriptDialog", json_pack("{sb}", "accept", (int)yes), NULL);
	return 1;
}

int page_prepare(struct lease *l, struct deadline deadline, struct error *err)
{
	lease_handle(l, "Page.javascriptDialogOpening", answer_dialog, NULL, NULL);
	return page_call(l, "Page.enable", NULL, deadline, NULL, err);
}

/* No bodies are kept for us. */
static int watch_network(struct lease *l, struct deadline deadline, struct error *err)
{
	return page_call(l, "Network.enable",
			 json_pack("{si si}", "maxTotalBufferSize", 0, "maxResourceBufferSize", 0),
			 deadline, NULL, err);
}

static int unwatch_network(struct lease *l, struct deadline deadline, struct error *err)
{
	return page_call(l, "Network.disable", NULL, deadline, NULL, err);
}

/* What the document itself asks for; our own scripts may fetch all of it later. Blocking works only
 * while the network is watched, and ends with it. */
static int block(struct lease *l, struct deadline deadline, struct error *err)
{
	json_t *urls = json_array();
	int r = watch_network(l, deadline, err);

	for (size_t i = 0; i < ARRAY_LEN(blocked_urls); i++)
		json_array_append_new(urls, json_string(blocked_urls[i]));
	if (r == 0)
		r = page_call(l, "Network.setBlockedURLs", json_pack("{sO}", "urls", urls),
			      deadline, NULL, err);
	json_decref(urls);
	return r;
}

static int set_scripts_disabled(struct lease *l, bool disabled, struct deadline deadline,
				struct error *err)
{
	return page_call(l, "Emulation.setScriptExecutionDisabled",
			 json_pack("{sb}", "value", (int)disabled), deadline, NULL, err);
}

int page_navigate(struct lease *l, const char *url, const char *until, struct deadline deadline,
		  struct error *err)
{
	json_t *result = NULL;
	const char *failure;
	bool new_document;
	int r = page_call(l, "Page.navigate", json_pack("{ss}", "url", url), deadline, &result,
			  err);

	if (r < 0)
		return r;
	failure = json_string_value(json_object_get(result, "errorText"));
	new_document = json_object_get(result, "loaderId") != NULL;
	if (failure != NULL && failure[0] != '\0')
		r = error_set(err, -EHOSTUNREACH, "%s: %s", url, failure);
	json_decref(result);
	if (r == 0 && new_document)
		r = lease_wait_event(l, until, deadline, NULL, err);
	return r;
}

/* The document's HTTP status; 0 where there is none (data:, about:). */
static int check_status(struct lease *l, const char *url, struct deadline deadline,
			struct error *err)
{
	static const char expression[] =
		"performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0";
	json_t *value = NULL;
	json_int_t status;
	int r = page_evaluate(l, expression, deadline, &value, err);

	status = json_integer_value(value);
	json_decref(value);
	if (r == 0 && (status >= 500 || status == 429))
		r = error_set(err, -EHOSTUNREACH, "%s: HTTP %d", url, (int)status);
	return r;
}

int page_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err)
{
	/* Off only while the document loads: with scripts off our own have no timers and hear no
	 * events. What the parser has passed over stays dead. */
	int r = set_scripts_disabled(l, true, deadline, err);
	int again;

	if (r == 0)
		r = block(l, deadline, err);
	page_answer_expect(l);
	if (r == 0)
		r = page_navigate(l, url, "Page.domContentEventFired", deadline, err);
	again = set_scripts_disabled(l, false, deadline_in(RESTORE_MS), r < 0 ? NULL : err);
	if (again == 0)
		again = unwatch_network(l, deadline_in(RESTORE_MS), r < 0 ? NULL : err);
	if (r == 0)
		r = again;
	return r < 0 ? r : check_status(l, url, deadline, err);
}

int page_open(struct lease *l, const char *url, struct deadline deadline, struct error *err)
{
	int again, r = watch_network(l, deadline, err);

	page_answer_expect(l);
	if (r == 0)
		r = page_navigate(l, url, "Page.loadEventFired", deadline, err);
	again = unwatch_network(l, deadline_in(RESTORE_MS), r < 0 ? NULL : err);
	if (r == 0)
		r = again;
	return r < 0 ? r : check_status(l, url, deadline, err);
}

static int set_exception(json_t *details, struct error *err)
{
	json_t *exception = json_object_get(details, "exception");
	const char *text = json_string_value(json_object_get(exception, "description"));

	if (text == NULL)
		text = json_string_value(json_object_get(exception, "value"));
	if (text == NULL)
		text = json_string_value(json_object_get(details, "text"));
	if (text == NULL)
		text = "an exception without a text";
	return error_set(err, -EREMOTEIO, "script: %.*s", (int)strcspn(text, "\r\n"), text);
}

/* Chromium has only sentences for it. */
static bool went_elsewhere(const char *sentence)
{
	static const char *const known[] = {
		"Inspected target navigated or closed",
		"Execution context was destroyed",
		"Cannot find default execution context",
		NO_CONTEXT,
		"Promise was collected",
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strstr(sentence, known[i]) != NULL)
			return true;
	return false;
}

/* world: of Page.createIsolatedWorld; 0: the page's own. */
static int run(struct lease *l, const char *expression, json_int_t world, struct deadline deadline,
	       json_t **ret, struct error *err)
{
	json_t *params = json_pack("{ss sb sb}", "expression", expression, "awaitPromise", 1,
				   "returnByValue", 1);
	struct error why = { 0 };
	int r;

	if (world != 0)
		json_object_set_new(params, "contextId", json_integer(world));
	r = page_call(l, "Runtime.evaluate", params, deadline, ret, &why);
	if (r == -EREMOTEIO && world != 0 && strstr(why.text, NO_CONTEXT) != NULL)
		return error_set(err, -EAGAIN, "script: the page went elsewhere before it");
	if (r == -EREMOTEIO && went_elsewhere(why.text))
		return error_set(err, -ESTALE, "script: the page went elsewhere");
	return r < 0 ? error_set(err, r, "%s", why.text) : 0;
}

static int evaluate(struct lease *l, const char *expression, json_int_t world,
		    struct deadline deadline, json_t **ret, struct error *err)
{
	json_t *result = NULL, *details, *value;
	int r = run(l, expression, world, deadline, &result, err);

	if (r < 0)
		return r;
	details = json_object_get(result, "exceptionDetails");
	value = json_object_get(json_object_get(result, "result"), "value");
	if (details != NULL)
		r = set_exception(details, err);
	else if (ret != NULL)
		*ret = value ? json_incref(value) : json_null();
	json_decref(result);
	return r;
}

int page_evaluate(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err)
{
	return evaluate(l, expression, 0, deadline, ret, err);
}

static int make_world(struct lease *l, struct deadline deadline, json_int_t *ret, struct error *err)
{
	json_t *tree = NULL, *answer = NULL, *id;
	int r = page_call(l, "Page.getFrameTree", NULL, deadline, &tree, err);

	if (r < 0)
		return r;
	id = json_object_get(json_object_get(json_object_get(tree, "frameTree"), "frame"), "id");
	r = page_call(l, "Page.createIsolatedWorld",
		      json_pack("{sO* ss}", "frameId", id, "worldName", "pensum"), deadline,
		      &answer, err);
	if (r == -EREMOTEIO)
		r = error_set(err, -EAGAIN, "script: the page went elsewhere");
	*ret = json_integer_value(json_object_get(answer, "executionContextId"));
	json_decref(tree);
	json_decref(answer);
	return r;
}

int page_evaluate_apart(struct lease *l, const char *expression, struct deadline deadline,
			json_t **ret, struct error *err)
{
	json_int_t world = 0;
	int r = make_world(l, deadline, &world, err);

	return r < 0 ? r : evaluate(l, expression, world, deadline, ret, err);
}

int page_get_cookies(struct lease *l, const char *url, struct deadline deadline, json_t **ret,
		     struct error *err)
{
	json_t *result = NULL, *cookies;
	int r = url == NULL ? page_call(l, "Network.getAllCookies", NULL, deadline, &result, err)
			    : page_call(l, "Network.getCookies", json_pack("{s[s]}", "urls", url),
					deadline, &result, err);

	if (r < 0)
		return r;
	cookies = json_object_get(result, "cookies");
	if (json_is_array(cookies))
		*ret = json_incref(cookies);
	else
		r = error_set(err, -EREMOTEIO, "cookies: none in the answer");
	json_decref(result);
	return r;
}

static void copy_member(json_t *from, json_t *to, const char *name)
{
	json_t *value = json_object_get(from, name);

	if (value != NULL)
		json_object_set(to, name, value);
}

static bool is_from_https(json_t *cookie)
{
	const char *scheme = json_string_value(json_object_get(cookie, "sourceScheme"));

	return json_is_true(json_object_get(cookie, "secure")) ||
	       (scheme != NULL && strcmp(scheme, "Secure") == 0);
}

/* What Network.setCookies() takes, from what Network.getCookies() gave. */
static json_t *cookie_param(json_t *cookie)
{
	static const char *const same[] = { "name",	"value",    "path",    "secure",
					    "httpOnly", "sameSite", "priority" };
	const char *domain = json_string_value(json_object_get(cookie, "domain"));
	const char *path = json_string_value(json_object_get(cookie, "path"));
	json_t *param = json_object();

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		copy_member(cookie, param, same[i]);
	if (json_number_value(json_object_get(cookie, "expires")) > 0)
		copy_member(cookie, param, "expires");
	/* A domain without its dot means this host alone, which only an address can say. */
	if (domain != NULL && domain[0] == '.') {
		json_object_set_new(param, "domain", json_string(domain));
	} else if (domain != NULL) {
		CLEANUP_FREE char *url =
			mem_printf("%s://%s%s", is_from_https(cookie) ? "https" : "http", domain,
				   path ? path : "/");

		json_object_set_new(param, "url", json_string(url));
	}
	return param;
}

int page_clear_cookies(struct lease *l, struct deadline deadline, struct error *err)
{
	return page_call(l, "Network.clearBrowserCookies", NULL, deadline, NULL, err);
}

int page_set_cookies(struct lease *l, json_t *cookies, struct deadline deadline, struct error *err)
{
	json_t *list, *cookie;
	int r = page_clear_cookies(l, deadline, err);
	size_t i;

	if (r < 0)
		return r;
	list = json_array();
	json_array_foreach (cookies, i, cookie)
		json_array_append_new(list, cookie_param(cookie));
	return page_call(l, "Network.setCookies", json_pack("{so}", "cookies", list), deadline,
			 NULL, err);
}
