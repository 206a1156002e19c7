#include "filter.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

typedef int guard_fn(json_t *params, struct error *err);

struct rule {
	const char *method; /* sorted; "Domain.*" is looked up when the whole name is not there */
	guard_fn *guard;
};

static bool has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

/* Only what begins exactly so: leading spaces and the like, which a browser forgives, are not. */
int filter_check_url(json_t *params, struct error *err)
{
	const char *url = json_string_value(json_object_get(params, "url"));

	if (url != NULL && (has_scheme(url, "https://") || has_scheme(url, "http://") ||
			    has_scheme(url, "data:") || strcmp(url, "about:blank") == 0))
		return 0;
	return error_set(err, -EPERM, "pool: only http, https, data and about:blank may be opened");
}

static int check_optional_url(json_t *params, struct error *err)
{
	return json_object_get(params, "url") == NULL ? 0 : filter_check_url(params, err);
}

/* A world with universal access reads every origin; Chromium's protocol misspells the word. */
static int check_world(json_t *params, struct error *err)
{
	if (json_is_true(json_object_get(params, "grantUniveralAccess")) ||
	    json_is_true(json_object_get(params, "grantUniversalAccess")))
		return error_set(err, -EPERM, "pool: no world with universal access");
	return 0;
}

/* The pool can name only sessions whose messages have a sessionId. */
static int check_auto_attach(json_t *params, struct error *err)
{
	if (json_is_true(json_object_get(params, "flatten")))
		return 0;
	return error_set(err, -EPERM, "pool: only flat sessions");
}

/* On a page it tells of that page; of others only with their name. */
static int check_no_target(json_t *params, struct error *err)
{
	if (json_object_get(params, "targetId") == NULL)
		return 0;
	return error_set(err, -EPERM, "pool: unknown target");
}

/* What a key code may be; a larger one would have modifiers of its own. */
#define MAX_KEY_CODE 0xffff
#define KEY_INSERT   45
#define KEY_V	     86
#define WITH_CONTROL 2
#define WITH_SHIFT   8

/* -1 when it is none that Chromium would take. */
static int64_t number_of(json_t *params, const char *member)
{
	double n = json_number_value(json_object_get(params, member));

	return n >= 0 && n <= INT32_MAX ? (int64_t)n : -1;
}

static bool is_paste_command(json_t *name)
{
	return json_is_string(name) && strcasestr(json_string_value(name), "paste") != NULL;
}

static bool is_paste_key(json_t *params)
{
	const char *key = json_string_value(json_object_get(params, "key"));
	int64_t code = number_of(params, "windowsVirtualKeyCode");
	int64_t modifiers = number_of(params, "modifiers");

	return code < 0 || code > MAX_KEY_CODE || (code == KEY_V && (modifiers & WITH_CONTROL)) ||
	       (code == KEY_INSERT && (modifiers & WITH_SHIFT)) ||
	       (key != NULL && strcmp(key, "Paste") == 0);
}

/* A browser has one clipboard, and one for what is marked: what any of its pages put there, every
 * other one would paste. */
static int refuse_paste(bool is_paste, struct error *err)
{
	return is_paste ? error_set(err, -EPERM, "pool: no pasting: all pages share the clipboard")
			: 0;
}

static int check_key(json_t *params, struct error *err)
{
	bool is_paste = is_paste_key(params);
	json_t *name;
	size_t i;

	json_array_foreach (json_object_get(params, "commands"), i, name)
		is_paste |= is_paste_command(name);
	return refuse_paste(is_paste, err);
}

/* The middle button pastes what is marked. */
static int check_mouse(json_t *params, struct error *err)
{
	const char *button = json_string_value(json_object_get(params, "button"));

	return refuse_paste(button != NULL && strcmp(button, "middle") == 0, err);
}

static const struct rule rules[] = {
	{ "Accessibility.*", NULL },
	{ "Audits.disable", NULL },
	{ "Audits.enable", NULL },
	{ "CSS.disable", NULL },
	{ "CSS.enable", NULL },
	{ "CSS.getStyleSheetText", NULL },
	{ "CSS.startRuleUsageTracking", NULL },
	{ "CSS.stopRuleUsageTracking", NULL },
	{ "DOM.describeNode", NULL },
	{ "DOM.disable", NULL },
	{ "DOM.discardSearchResults", NULL },
	{ "DOM.enable", NULL },
	{ "DOM.focus", NULL },
	{ "DOM.getAttributes", NULL },
	{ "DOM.getBoxModel", NULL },
	{ "DOM.getContentQuads", NULL },
	{ "DOM.getDocument", NULL },
	{ "DOM.getFrameOwner", NULL },
	{ "DOM.getNodeForLocation", NULL },
	{ "DOM.getOuterHTML", NULL },
	{ "DOM.getSearchResults", NULL },
	{ "DOM.performSearch", NULL },
	{ "DOM.querySelector", NULL },
	{ "DOM.querySelectorAll", NULL },
	{ "DOM.requestChildNodes", NULL },
	{ "DOM.requestNode", NULL },
	{ "DOM.resolveNode", NULL },
	{ "DOM.scrollIntoViewIfNeeded", NULL },
	{ "Debugger.disable", NULL },
	{ "Debugger.enable", NULL },
	{ "Debugger.getScriptSource", NULL },
	{ "Debugger.resume", NULL },
	{ "Debugger.setSkipAllPauses", NULL },
	{ "Emulation.clearDeviceMetricsOverride", NULL },
	{ "Emulation.setDefaultBackgroundColorOverride", NULL },
	{ "Emulation.setDeviceMetricsOverride", NULL },
	{ "Emulation.setEmulatedMedia", NULL },
	{ "Emulation.setFocusEmulationEnabled", NULL },
	{ "Emulation.setGeolocationOverride", NULL },
	{ "Emulation.setLocaleOverride", NULL },
	{ "Emulation.setScriptExecutionDisabled", NULL },
	{ "Emulation.setTimezoneOverride", NULL },
	{ "Emulation.setTouchEmulationEnabled", NULL },
	{ "Emulation.setUserAgentOverride", NULL },
	{ "Fetch.continueRequest", check_optional_url },
	{ "Fetch.continueResponse", NULL },
	{ "Fetch.continueWithAuth", NULL },
	{ "Fetch.disable", NULL },
	{ "Fetch.enable", NULL },
	{ "Fetch.failRequest", NULL },
	{ "Fetch.fulfillRequest", NULL },
	{ "Fetch.getResponseBody", NULL },
	{ "Fetch.takeResponseBodyAsStream", NULL },
	{ "HeapProfiler.collectGarbage", NULL },
	{ "IO.close", NULL },
	{ "IO.read", NULL },
	{ "Input.dispatchKeyEvent", check_key },
	{ "Input.dispatchMouseEvent", check_mouse },
	{ "Input.dispatchTouchEvent", NULL },
	{ "Input.insertText", NULL },
	{ "Inspector.disable", NULL },
	{ "Inspector.enable", NULL },
	{ "Log.*", NULL },
	{ "Network.clearBrowserCache", NULL },
	{ "Network.clearBrowserCookies", NULL },
	{ "Network.deleteCookies", NULL },
	{ "Network.disable", NULL },
	{ "Network.emulateNetworkConditions", NULL },
	{ "Network.enable", NULL },
	{ "Network.getAllCookies", NULL },
	{ "Network.getCookies", NULL },
	{ "Network.getRequestPostData", NULL },
	{ "Network.getResponseBody", NULL },
	{ "Network.setBlockedURLs", NULL },
	{ "Network.setBypassServiceWorker", NULL },
	{ "Network.setCacheDisabled", NULL },
	{ "Network.setCookie", NULL },
	{ "Network.setCookies", NULL },
	{ "Network.setExtraHTTPHeaders", NULL },
	{ "Network.setUserAgentOverride", NULL },
	{ "Page.addScriptToEvaluateOnNewDocument", NULL },
	{ "Page.bringToFront", NULL },
	{ "Page.captureScreenshot", NULL },
	{ "Page.close", NULL },
	{ "Page.createIsolatedWorld", check_world },
	{ "Page.disable", NULL },
	{ "Page.enable", NULL },
	{ "Page.getFrameTree", NULL },
	{ "Page.getLayoutMetrics", NULL },
	{ "Page.getNavigationHistory", NULL },
	{ "Page.handleJavaScriptDialog", NULL },
	{ "Page.navigate", filter_check_url },
	{ "Page.navigateToHistoryEntry", NULL },
	{ "Page.printToPDF", NULL },
	{ "Page.reload", NULL },
	{ "Page.removeScriptToEvaluateOnNewDocument", NULL },
	{ "Page.resetNavigationHistory", NULL },
	{ "Page.setBypassCSP", NULL },
	{ "Page.setDocumentContent", NULL },
	{ "Page.setFontFamilies", NULL },
	{ "Page.setInterceptFileChooserDialog", NULL },
	{ "Page.setLifecycleEventsEnabled", NULL },
	{ "Page.stopLoading", NULL },
	{ "Performance.*", NULL },
	{ "Profiler.disable", NULL },
	{ "Profiler.enable", NULL },
	{ "Profiler.startPreciseCoverage", NULL },
	{ "Profiler.stopPreciseCoverage", NULL },
	{ "Profiler.takePreciseCoverage", NULL },
	{ "Runtime.*", NULL },
	{ "ServiceWorker.disable", NULL },
	{ "ServiceWorker.enable", NULL },
	{ "Target.getTargetInfo", check_no_target },
	{ "Target.setAutoAttach", check_auto_attach },
};

struct name {
	const char *text;
	size_t len;
};

static int compare(const void *key, const void *item)
{
	const struct name *name = key;
	const struct rule *rule = item;
	int order = strncmp(name->text, rule->method, name->len);

	if (order != 0)
		return order;
	return rule->method[name->len] == '\0' ? 0 : -1;
}

static const struct rule *find_rule(const char *text, size_t len)
{
	struct name name = { text, len };

	return bsearch(&name, rules, ARRAY_LEN(rules), sizeof(rules[0]), compare);
}

static const struct rule *find_domain_rule(const char *text, size_t len)
{
	const char *dot = memchr(text, '.', len);
	char domain[32];
	size_t used;

	if (dot == NULL || (used = (size_t)(dot - text) + 1) + 1 > sizeof(domain))
		return NULL;
	memcpy(domain, text, used);
	domain[used] = '*';
	return find_rule(domain, used + 1);
}

static int check_params(const struct cdpmsg *m, guard_fn *guard, struct error *err)
{
	json_t *params = NULL;
	int r;

	if (m->params.len > 0) {
		/* Doubled names could be read in two ways. */
		params = json_loadb(m->text + m->params.at, m->params.len, JSON_REJECT_DUPLICATES,
				    NULL);
		if (!json_is_object(params)) {
			json_decref(params);
			return error_set(err, -EPERM, "pool: parameters not understood");
		}
	}
	r = guard(params, err);
	json_decref(params);
	return r;
}

static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

int filter_refuse(const struct cdpmsg *m, struct error *err)
{
	const char *method = m->text + m->method.at;
	size_t len = m->method.len;

	return error_set(err, -ENOSYS, "pool: method not allowed: %.*s",
			 is_printable(method, len) ? (int)MIN(len, 64) : 0, method);
}

json_t *filter_window(void)
{
	return json_pack("{si s{si si si si ss}}", "windowId", 1, "bounds", "left", 0, "top", 0,
			 "width", 800, "height", 600, "windowState", "normal");
}

json_t *filter_answer(const struct cdpmsg *m)
{
	static const char *const ignored[] = {
		"Browser.setDownloadBehavior",
		"Browser.setWindowBounds",
		"Page.setDownloadBehavior",
	};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (cdpmsg_method_is(m, ignored[i]))
			return json_object();
	return cdpmsg_method_is(m, "Browser.getWindowForTarget") ? filter_window() : NULL;
}

int filter_check(const struct cdpmsg *m, struct error *err)
{
	const char *method = m->text + m->method.at;
	size_t len = m->method.len;
	const struct rule *rule = find_rule(method, len);

	if (rule == NULL)
		rule = find_domain_rule(method, len);
	if (rule == NULL)
		return filter_refuse(m, err);
	return rule->guard ? check_params(m, rule->guard, err) : 0;
}
