#include "site.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "mem.h"
#include "options.h"
#include "page_intercept.h"
#include "text.h"

#define REDIS_MS 1000
#define UNDO_MS	 1000 /* also when the deadline is over */
#define MAX_WAIT_S 600

/* site.user_agent_suffix with our version in place of %v; "": none. */
void site_name_us(const struct work *w, struct buf *out)
{
	const char *text = w->site->user_agent_suffix;
	const char *mark = strstr(text, "%v");

	if (mark != NULL)
		buf_printf(out, "%.*s%s%s", (int)(mark - text), text, pensum_version, mark + 2);
	else
		buf_printf(out, "%s", text);
}

static int read_user_agent(struct lease *l, struct deadline deadline, char **ret, struct error *err)
{
	json_t *value = NULL;
	int e = page_evaluate(l, "navigator.userAgent", deadline, &value, err);
	const char *text = json_string_value(value);

	if (e == 0 && text == NULL)
		e = error_set(err, -EREMOTEIO, "the browser has no User-Agent");
	if (e == 0)
		*ret = mem_strdup(text);
	json_decref(value);
	return e;
}

int site_sign_requests(struct work *w, struct lease *l, struct deadline deadline, struct error *err)
{
	CLEANUP(buf_done) struct buf suffix = BUF_INIT;
	CLEANUP_FREE char *own = NULL, *ours = NULL;
	int e;

	site_name_us(w, &suffix);
	if (suffix.len == 0)
		return 0;
	e = read_user_agent(l, deadline, &own, err);
	if (e < 0 || text_ends_with(own, suffix.data))
		return e;
	ours = mem_printf("%s %s", own, suffix.data);
	return page_call(l, "Emulation.setUserAgentOverride", json_pack("{ss}", "userAgent", ours),
			 deadline, NULL, err);
}

/* The host of an address that settings.c has checked already. */
static char *host_of(const char *url)
{
	const char *start = strstr(url, "://");
	size_t len;

	start = start ? start + 3 : url;
	len = start[0] == '[' ? strcspn(start, "]") + 1 : strcspn(start, ":/?#");
	return mem_printf("%.*s", (int)len, start);
}

int site_goto(struct lease *l, const char *url, struct deadline deadline, struct error *err)
{
	CLEANUP_FREE char *host = host_of(url);
	const char *const hosts[] = { host, NULL };
	const struct page_rules rules = { .allow_hosts = hosts };
	unsigned refused = page_refused_count(l);
	int again, e = page_intercept(l, &rules, deadline, err);

	if (e < 0)
		return e;
	e = page_goto(l, url, deadline, err);
	if (e < 0 && page_refused_count(l) > refused)
		e = error_set(err, -EXDEV, "%s leads to another host", url);
	again = page_intercept_end(l, deadline_in(UNDO_MS), e < 0 ? NULL : err);
	return e == 0 ? again : e;
}

void site_pause(struct work *w, int64_t seconds)
{
	int64_t bounded = MIN(seconds, (int64_t)MAX_WAIT_S);
	char key[KEY_SIZE], text[24];

	key_pause(key, w->site->id);
	snprintf(text, sizeof(text), "%lld", (long long)bounded);
	w->retry_after_ms = bounded * 1000;
	redis_call(w->redis, REDIS_MS, NULL, NULL, "SET", key, "", "EX", text, NULL);
}

bool site_is_paused(struct work *w)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	char key[KEY_SIZE];

	key_pause(key, w->site->id);
	if (redis_call(w->redis, REDIS_MS, &reply, NULL, "PTTL", key, NULL) < 0 ||
	    redis_integer(reply) <= 0)
		return false;
	w->retry_after_ms = redis_integer(reply);
	work_fail(w, "site_busy", NULL);
	return true;
}

bool site_is_closed(long status, const char *expires)
{
	return status == 503 && strstr(expires, " 1969 ") != NULL;
}
