#include "page_download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "text.h"

struct download {
	char *url;	    /* as Chromium writes it */
	int64_t navigation; /* the call's id */
	bool is_over;	    /* and answered: there is nothing to give up any more */
	char *request;	    /* the one of Fetch's that is ours; NULL: not seen yet */
	bool is_held;	    /* … waits for our word */
	struct page_file file;
	bool is_encoded; /* file.size is not that of the body */
};

static const char *text_of(json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

/* ---- what the browser tells ---- */

static const char *find_header(json_t *params, const char *name)
{
	json_t *header;
	size_t i;

	json_array_foreach (json_object_get(params, "responseHeaders"), i, header)
		if (strcasecmp(text_of(header, "name"), name) == 0)
			return text_of(header, "value");
	return NULL;
}

static int status_of(json_t *params)
{
	return (int)json_integer_value(json_object_get(params, "responseStatusCode"));
}

static bool leads_on(json_t *params)
{
	int status = status_of(params);

	return (status == 301 || status == 302 || status == 303 || status == 307 ||
		status == 308) &&
	       find_header(params, "location") != NULL;
}

/* Ours is the first one to our address, and what that one is redirected to. */
static bool is_ours(const struct download *d, json_t *params)
{
	const char *id = text_of(params, "requestId");
	const char *before = text_of(params, "redirectedRequestId");

	if (d->request == NULL)
		return strcmp(text_of(json_object_get(params, "request"), "url"), d->url) == 0;
	return strcmp(id, d->request) == 0 || strcmp(before, d->request) == 0;
}

static void fail_request(struct lease *l, struct download *d)
{
	lease_post(l, "Fetch.failRequest",
		   json_pack("{ss ss}", "requestId", d->request, "errorReason", "Aborted"), NULL);
	d->is_held = false;
	d->is_over = true;
}

/* Failing our navigation ourselves, with "aborted", keeps the page's document; the browser would
 * show its error page. */
static int on_request(struct lease *l, json_t *params, bool refused, void *arg, struct error *err)
{
	struct download *d = arg;
	const char *reason = text_of(params, "responseErrorReason");

	if (!is_ours(d, params))
		return 0;
	free(d->request);
	d->request = mem_strdup(text_of(params, "requestId"));
	if (refused) {
		fail_request(l, d);
		return error_set(err, -EPERM, "%s: refused",
				 text_of(json_object_get(params, "request"), "url"));
	}
	if (reason[0] != '\0') {
		fail_request(l, d);
		return error_set(err, -EHOSTUNREACH, "%s: %s", d->url, reason);
	}
	if (status_of(params) == 0 || leads_on(params))
		return 0;
	d->is_held = true;
	return 1;
}

/* Our navigation never comes to its end, unless somebody else ends it. */
static int on_answer(struct lease *l, json_t *answer, void *arg, struct error *err)
{
	struct download *d = arg;
	const char *failure = text_of(json_object_get(answer, "result"), "errorText");
	const char *refusal = text_of(json_object_get(answer, "error"), "message");

	(void)l;
	if (json_integer_value(json_object_get(answer, "id")) != d->navigation)
		return 0;
	d->is_over = true;
	if (refusal[0] != '\0')
		return error_set(err, -EREMOTEIO, "%s: %s", d->url, refusal);
	if (failure[0] != '\0' && strcmp(failure, "net::ERR_ABORTED") != 0)
		return error_set(err, -EHOSTUNREACH, "%s: %s", d->url, failure);
	return error_set(err, -ESTALE, "%s: the page went elsewhere", d->url);
}

/* ---- the story ---- */

static int resolve_url(struct lease *l, const char *url, struct deadline deadline, char **ret,
		       struct error *err)
{
	json_t *text = json_string(url), *value = NULL;
	CLEANUP_FREE char *quoted = json_dumps(text, JSON_ENCODE_ANY);
	CLEANUP_FREE char *expression = mem_printf(
		"(() => { const u = new URL(%s, location.href); u.hash = ''; return u.href })()",
		quoted ? quoted : "''");
	int r = page_evaluate(l, expression, deadline, &value, err);
	const char *found = json_string_value(value);

	json_decref(text);
	if (r == 0 && (found == NULL || !text_starts_with(found, "http")))
		r = error_set(err, -EREMOTEIO, "not an address of a file");
	if (r == 0)
		*ret = mem_strdup(found);
	json_decref(value);
	return r;
}

/* A service worker of the site could answer without a request that is ours to hold; it can be
 * passed by only while the network is watched. */
static int prepare(struct lease *l, struct download *d, struct deadline deadline, struct error *err)
{
	int r = page_call(l, "Network.enable",
			  json_pack("{si si}", "maxTotalBufferSize", 0, "maxResourceBufferSize", 0),
			  deadline, NULL, err);

	if (r == 0)
		r = page_call(l, "Network.setBypassServiceWorker", json_pack("{sb}", "bypass", 1),
			      deadline, NULL, err);
	return r < 0 ? r : page_watch(l, on_request, d, deadline, err);
}

/* Nothing here waits: it is done the same way when the deadline is over. */
static void clean_up(struct lease *l, struct download *d)
{
	lease_handle(l, LEASE_ANSWERS, NULL, NULL, NULL);
	if (d->is_held)
		fail_request(l, d);
	else if (d->navigation != 0 && !d->is_over)
		lease_post(l, "Page.stopLoading", NULL, NULL);
	page_watch_end(l);
	lease_post(l, "Network.disable", NULL, NULL);
}

static void note_file(struct download *d, json_t *params)
{
	const char *length = find_header(params, "content-length");
	const char *type = find_header(params, "content-type");

	d->file.status = status_of(params);
	d->is_encoded = find_header(params, "content-encoding") != NULL;
	if (length == NULL || text_parse_i64(length, 0, INT64_MAX, &d->file.size, NULL) < 0)
		d->file.size = -1;
	snprintf(d->file.type, sizeof(d->file.type), "%s", type ? type : "");
	page_file_name(find_header(params, "content-disposition"),
		       text_of(json_object_get(params, "request"), "url"), d->file.name);
}

static int judge_status(const struct download *d, struct error *err)
{
	int status = d->file.status, code = -EREMOTEIO;

	if (status >= 200 && status < 300)
		return 0;
	if (status == 404 || status == 410)
		code = -ENOENT;
	else if (status == 401 || status == 403)
		code = -EACCES;
	else if (status >= 500 || status == 429)
		code = -EHOSTUNREACH;
	return error_set(err, code, "%s: HTTP %d", d->url, status);
}

static int take_body(struct lease *l, struct download *d, struct page_sink *sink,
		     struct deadline deadline, struct error *err)
{
	uint64_t before = sink->bytes;
	json_t *result = NULL;
	int r;

	if (d->file.size > 0 && (uint64_t)d->file.size > sink->max_bytes)
		return error_set(err, -EFBIG, "%s: %" PRId64 " bytes", d->url, d->file.size);
	r = page_call(l, "Fetch.takeResponseBodyAsStream",
		      json_pack("{ss}", "requestId", d->request), deadline, &result, err);
	if (r == 0)
		r = page_stream_read(l, text_of(result, "stream"), sink, deadline, err);
	if (r == 0 && !d->is_encoded && d->file.size >= 0 &&
	    sink->bytes - before != (uint64_t)d->file.size)
		r = error_set(err, -EIO, "%s: %" PRIu64 " of %" PRId64 " bytes", d->url,
			      sink->bytes - before, d->file.size);
	json_decref(result);
	return r;
}

static int download(struct lease *l, struct download *d, struct page_sink *sink,
		    struct page_file *ret, struct deadline deadline, struct error *err)
{
	json_t *params = NULL;
	int r;

	lease_handle(l, LEASE_ANSWERS, on_answer, d, NULL);
	lease_post(l, "Page.navigate", json_pack("{ss}", "url", d->url), &d->navigation);
	r = lease_wait_event(l, "Fetch.requestPaused", deadline, &params, err);
	if (r < 0)
		return r;
	note_file(d, params);
	json_decref(params);
	if (ret != NULL)
		*ret = d->file;
	r = judge_status(d, err);
	return r < 0 ? r : take_body(l, d, sink, deadline, err);
}

int page_download(struct lease *l, const char *url, struct page_sink *sink, struct page_file *ret,
		  struct deadline deadline, struct error *err)
{
	struct download d = { .url = NULL };
	int r = resolve_url(l, url, deadline, &d.url, err);

	if (r < 0)
		return r;
	r = prepare(l, &d, deadline, err);
	if (r == 0)
		r = download(l, &d, sink, ret, deadline, err);
	clean_up(l, &d);
	free(d.request);
	free(d.url);
	return r;
}
