#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#define CONNECT_MS 10000L

struct http {
	CURL *curl;
	char *root;
	size_t max_bytes;
	http_tick_fn *tick;
	void *tick_arg;

	/* of the request that runs */
	struct buf *body;
	bool is_too_large, is_stopped;
};

void http_answer_done(struct http_answer *a)
{
	buf_wipe(&a->body);
	*a = (struct http_answer)HTTP_ANSWER_INIT;
}

static size_t on_body(char *data, size_t one, size_t count, void *arg)
{
	struct http *h = arg;
	size_t len = one * count;

	if (len > h->max_bytes - h->body->len) {
		h->is_too_large = true;
		return 0;
	}
	buf_add(h->body, data, len);
	return len;
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
		       curl_off_t up)
{
	struct http *h = arg;

	(void)down_all, (void)down, (void)up_all, (void)up;
	h->is_stopped = h->tick != NULL && h->tick(h->tick_arg) != 0;
	return h->is_stopped;
}

/* The whole of what libcurl may do for us. */
static bool set_up(struct http *h, const char *user_agent)
{
	CURL *c = h->curl;
	CURLcode e = CURLE_OK;

#define SET(OPTION, VALUE) e = e == CURLE_OK ? curl_easy_setopt(c, CURLOPT_##OPTION, VALUE) : e
	SET(PROTOCOLS_STR, "http,https");
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, ""); /* and none of the environment's */
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(NOSIGNAL, 1L);
	SET(ACCEPT_ENCODING, ""); /* all that it can unpack */
	SET(CONNECTTIMEOUT_MS, CONNECT_MS);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, h);
	SET(NOPROGRESS, 0L);
	SET(XFERINFOFUNCTION, on_progress);
	SET(XFERINFODATA, h);
	if (user_agent[0] != '\0')
		SET(USERAGENT, user_agent);
#undef SET
	return e == CURLE_OK;
}

int http_open(const struct http_options *o, struct http **ret, struct error *err)
{
	struct http *h = mem_zalloc(sizeof(*h));
	size_t len = strlen(o->root);

	while (len > 0 && o->root[len - 1] == '/')
		len--;
	h->root = mem_strndup(o->root, len);
	h->max_bytes = o->max_bytes;
	h->tick = o->tick;
	h->tick_arg = o->tick_arg;
	h->curl = curl_easy_init();
	if (h->curl == NULL || !set_up(h, o->user_agent)) {
		http_close(h);
		return error_set(err, -ENOSYS, "http: this libcurl cannot do what is needed");
	}
	*ret = h;
	return 0;
}

void http_close(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	free(h->root);
	free(h);
}

static int code_of(CURLcode e)
{
	switch (e) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return -EHOSTUNREACH;
	default:
		return -EPROTO;
	}
}

static int error_of(const struct http *h, CURLcode e, const char *path, struct error *err)
{
	if (h->is_too_large)
		return error_set(err, -EMSGSIZE, "%s: more than %zu bytes", path, h->max_bytes);
	if (h->is_stopped)
		return error_set(err, -ECANCELED, "%s: stopped", path);
	return error_set(err, code_of(e), "%s: %s", path, curl_easy_strerror(e));
}

static int64_t site_time(CURL *c)
{
	struct curl_header *date;
	time_t at = -1;

	if (curl_easy_header(c, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK)
		at = curl_getdate(date->value, NULL);
	return at > 0 ? at : clock_wall_ms() / 1000;
}

static void read_head(CURL *c, struct http_answer *a)
{
	curl_off_t seconds = 0;
	struct curl_header *expires;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &a->status);
	curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &seconds);
	a->retry_after_s = MAX(0, MIN(seconds, HTTP_MAX_RETRY_AFTER_S));
	a->time = site_time(c);
	if (curl_easy_header(c, "Expires", 0, CURLH_HEADER, -1, &expires) == CURLHE_OK)
		snprintf(a->expires, sizeof(a->expires), "%s", expires->value);
}

int http_post(struct http *h, const char *path, const struct buf *form, struct deadline deadline,
	      struct http_answer *ret, struct error *err)
{
	CLEANUP_FREE char *url = mem_printf("%s%s", h->root, path);
	long left = deadline_left_ms(deadline);
	CURLcode e;

	http_answer_done(ret);
	if (left == 0)
		return error_set(err, -ETIMEDOUT, "%s: no time left", path);
	h->body = &ret->body;
	h->is_too_large = h->is_stopped = false;
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, left);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)form->len);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, form->data);
	e = curl_easy_perform(h->curl);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL); /* the caller's, and maybe secret */
	if (e != CURLE_OK) {
		http_answer_done(ret);
		return error_of(h, e, path, err);
	}
	read_head(h->curl, ret);
	return 0;
}

void http_form_add(struct buf *form, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (form->len > 0)
		buf_add_char(form, '&');
	buf_add_str(form, name);
	buf_add_char(form, '=');
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')) {
			buf_add_char(form, (char)*p);
			continue;
		}
		buf_add_char(form, '%');
		buf_add_char(form, hex[*p >> 4]);
		buf_add_char(form, hex[*p & 15]);
	}
}
