#include "page_intercept.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define EVENT "Fetch.requestPaused"

/* Lives as the argument of the lease's handler. */
struct intercept {
	unsigned block_kinds;
	json_t *block_urls;  /* arrays of texts; NULL: none */
	json_t *allow_hosts; /* NULL: every host */
	json_t *allow_origins, *asset_origins;
	unsigned refused;
	char refused_document[300];
	page_watch_fn *watch; /* may be NULL */
	void *watch_arg;
};

static const struct {
	enum page_kind kind;
	const char *name; /* Network.ResourceType */
} kinds[] = {
	{ PAGE_IMAGES, "Image" },      { PAGE_MEDIA, "Media" },	   { PAGE_FONTS, "Font" },
	{ PAGE_STYLES, "Stylesheet" }, { PAGE_SCRIPTS, "Script" },
};

/* ---- rules ---- */

static const char *text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

/* The host in Chromium's own spelling of an address; len 0 where there is none. */
static const char *find_host(const char *url, size_t *len)
{
	const char *host = strstr(url, "://"), *end, *port;

	*len = 0;
	if (host == NULL || strncmp(url, "blob:", 5) == 0 || strncmp(url, "data:", 5) == 0)
		return url;
	host += 3;
	end = host + strcspn(host, "/?#");
	for (const char *p = host; p < end; p++)
		if (*p == '@')
			host = p + 1;
	/* The colons inside of […] are not the port's. */
	port = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : host;
	if (port != NULL)
		port = memchr(port, ':', (size_t)(end - port));
	if (port != NULL)
		end = port;
	*len = (size_t)(end - host);
	return host;
}

static bool host_is(const char *host, size_t len, const char *rule)
{
	size_t rule_len = strlen(rule);

	if (rule[0] != '.')
		return len == rule_len && strncasecmp(host, rule, len) == 0;
	if (len == rule_len - 1)
		return strncasecmp(host, rule + 1, len) == 0;
	return len > rule_len && strncasecmp(host + len - rule_len, rule, rule_len) == 0;
}

static bool is_host_allowed(const struct intercept *i, const char *url)
{
	size_t at, len;
	const char *host = find_host(url, &len);
	json_t *rule;

	if (i->allow_hosts == NULL || len == 0)
		return true;
	json_array_foreach (i->allow_hosts, at, rule)
		if (host_is(host, len, json_string_value(rule)))
			return true;
	return false;
}

/* Chromium writes them in small letters and leaves a usual port out. */
static bool is_of_origin(json_t *origins, const char *url)
{
	json_t *origin;
	size_t at;

	json_array_foreach (origins, at, origin) {
		size_t len = json_string_length(origin);

		if (strncmp(url, json_string_value(origin), len) == 0 &&
		    (url[len] == '\0' || strchr("/?#", url[len]) != NULL))
			return true;
	}
	return false;
}

static bool is_origin_allowed(const struct intercept *i, const char *type, const char *url)
{
	if (i->allow_origins == NULL || strncmp(url, "data:", 5) == 0 ||
	    strncmp(url, "blob:", 5) == 0 || strncmp(url, "about:", 6) == 0)
		return true;
	if (is_of_origin(i->allow_origins, url))
		return true;
	return strcmp(type, "Document") != 0 && is_of_origin(i->asset_origins, url);
}

static bool is_refused(const struct intercept *i, json_t *params)
{
	const char *type = text_of(params, "resourceType");
	const char *url = text_of(json_object_get(params, "request"), "url");
	json_t *pattern;
	size_t at;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if ((i->block_kinds & kinds[k].kind) && strcmp(type, kinds[k].name) == 0)
			return true;
	json_array_foreach (i->block_urls, at, pattern)
		if (fnmatch(json_string_value(pattern), url, FNM_NOESCAPE) == 0)
			return true;
	return !is_host_allowed(i, url) || !is_origin_allowed(i, type, url);
}

static void note_refusal(struct intercept *i, json_t *params)
{
	const char *url = text_of(json_object_get(params, "request"), "url");
	size_t len;
	const char *host = find_host(url, &len);
	const char *end = host + strcspn(host, "/?#");

	i->refused++;
	if (strcmp(text_of(params, "resourceType"), "Document") == 0)
		snprintf(i->refused_document, sizeof(i->refused_document), "%.*s",
			 (int)(end - url), url);
}

/* ---- held requests ---- */

static void let_go(struct lease *l, const char *id)
{
	lease_post(l, "Fetch.continueRequest", json_pack("{ss}", "requestId", id), NULL);
}

static void refuse(struct lease *l, const char *id)
{
	lease_post(l, "Fetch.failRequest",
		   json_pack("{ss ss}", "requestId", id, "errorReason", "BlockedByClient"), NULL);
}

/* Every way out answers the request, or leaves that to the watcher whose it is. */
static int on_paused(struct lease *l, json_t *params, void *arg, struct error *err)
{
	struct intercept *i = arg;
	const char *id = text_of(params, "requestId");
	bool answered = json_object_get(params, "responseStatusCode") != NULL ||
			json_object_get(params, "responseErrorReason") != NULL;
	bool refused = !answered && is_refused(i, params);
	int r = i->watch ? i->watch(l, params, refused, i->watch_arg, err) : 0;

	if (refused)
		note_refusal(i, params);
	if (r == 0 && refused)
		refuse(l, id);
	else if (r == 0)
		let_go(l, id);
	return r == 0 ? 1 : MIN(r, 0);
}

/* ---- which requests the browser holds ---- */

static void add_pattern(json_t *patterns, const char *url, const char *type, const char *stage)
{
	json_array_append_new(patterns, json_pack("{ss ss* ss}", "urlPattern", url, "resourceType",
						  type, "requestStage", stage));
}

static json_t *make_patterns(const struct intercept *i)
{
	json_t *patterns = json_array(), *url;
	size_t at;

	if (i->allow_hosts != NULL || i->allow_origins != NULL)
		add_pattern(patterns, "*", NULL, "Request");
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (i->block_kinds & kinds[k].kind)
			add_pattern(patterns, "*", kinds[k].name, "Request");
	json_array_foreach (i->block_urls, at, url)
		add_pattern(patterns, json_string_value(url), NULL, "Request");
	if (i->watch != NULL) {
		add_pattern(patterns, "*", "Document", "Request");
		add_pattern(patterns, "*", "Document", "Response");
	}
	return patterns;
}

/* Fetch.enable with an empty list would hold everything. *params is yours, and may be NULL. */
static const char *make_call(const struct intercept *i, json_t **params)
{
	json_t *patterns = make_patterns(i);

	*params = NULL;
	if (json_array_size(patterns) > 0)
		*params = json_pack("{sO}", "patterns", patterns);
	json_decref(patterns);
	return *params ? "Fetch.enable" : "Fetch.disable";
}

static int apply(struct lease *l, const struct intercept *i, struct deadline deadline,
		 struct error *err)
{
	json_t *params;
	const char *method = make_call(i, &params);

	return page_call(l, method, params, deadline, NULL, err);
}

/* ---- life ---- */

static void clear_rules(struct intercept *i)
{
	i->block_kinds = 0;
	json_decref(i->block_urls);
	json_decref(i->allow_hosts);
	json_decref(i->allow_origins);
	json_decref(i->asset_origins);
	i->block_urls = i->allow_hosts = i->allow_origins = i->asset_origins = NULL;
}

static void intercept_free(void *arg)
{
	clear_rules(arg);
	free(arg);
}

static struct intercept *get(struct lease *l)
{
	struct intercept *i = lease_handler_arg(l, EVENT);

	if (i == NULL) {
		i = mem_zalloc(sizeof(*i));
		lease_handle(l, EVENT, on_paused, i, intercept_free);
	}
	return i;
}

static json_t *copy_texts(const char *const *texts)
{
	json_t *copy = texts ? json_array() : NULL;

	for (; texts != NULL && *texts != NULL; texts++)
		json_array_append_new(copy, json_string(*texts));
	return copy;
}

int page_intercept(struct lease *l, const struct page_rules *rules, struct deadline deadline,
		   struct error *err)
{
	struct intercept *i = get(l);

	clear_rules(i);
	i->block_kinds = rules->block_kinds;
	i->block_urls = copy_texts(rules->block_urls);
	i->allow_hosts = copy_texts(rules->allow_hosts);
	i->allow_origins = copy_texts(rules->allow_origins);
	i->asset_origins = copy_texts(rules->asset_origins);
	return apply(l, i, deadline, err);
}

int page_intercept_end(struct lease *l, struct deadline deadline, struct error *err)
{
	struct intercept *i = get(l);

	clear_rules(i);
	return apply(l, i, deadline, err);
}

unsigned page_refused_count(const struct lease *l)
{
	const struct intercept *i = lease_handler_arg(l, EVENT);

	return i ? i->refused : 0;
}

const char *page_refused_document(const struct lease *l)
{
	const struct intercept *i = lease_handler_arg(l, EVENT);

	return i ? i->refused_document : "";
}

int page_watch(struct lease *l, page_watch_fn *fn, void *arg, struct deadline deadline,
	       struct error *err)
{
	struct intercept *i = get(l);

	i->watch = fn;
	i->watch_arg = arg;
	return apply(l, i, deadline, err);
}

void page_watch_end(struct lease *l)
{
	struct intercept *i = get(l);
	json_t *params;
	const char *method;

	i->watch = NULL;
	method = make_call(i, &params);
	lease_post(l, method, params, NULL);
}

/* ---- a document of our own ---- */

static int answer_empty(struct lease *l, json_t *params, bool refused, void *arg, struct error *err)
{
	(void)refused;
	(void)arg;
	(void)err;
	if (json_object_get(params, "responseStatusCode") != NULL)
		return 0;
	lease_post(l, "Fetch.fulfillRequest",
		   json_pack("{ss si s[{ss ss}] ss}", "requestId", text_of(params, "requestId"),
			     "responseCode", 200, "responseHeaders", "name", "Content-Type",
			     "value", "text/html; charset=utf-8", "body", ""),
		   NULL);
	return 1;
}

int page_stand_at(struct lease *l, const char *url, struct deadline deadline, struct error *err)
{
	int r = page_watch(l, answer_empty, NULL, deadline, err);

	if (r < 0)
		return r;
	r = page_navigate(l, url, "Page.domContentEventFired", deadline, err);
	page_watch_end(l);
	return r;
}
