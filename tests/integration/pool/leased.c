#include "leased.h"

#include <errno.h>
#include <stdio.h>

#include "mem.h"

struct deadline soon(void)
{
	return deadline_in(20000);
}

void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

static struct lease *lent; /* a test has one at a time */

int end(void **state)
{
	(void)state;
	lease_end(lent);
	lent = NULL;
	return 0;
}

static struct lease *begin_as(const struct lease_request *req)
{
	struct error err = { 0 };

	end(NULL);
	must(lease_begin(getenv("POOL_SOCKET"), req, &lent, &err), &err);
	must(page_prepare(lent, soon(), &err), &err);
	return lent;
}

struct lease *begin(int ttl_ms)
{
	return begin_as(&(struct lease_request){
		.cls = POOL_DOCUMENT, .wait_ms = 20000, .ttl_ms = ttl_ms });
}

struct lease *begin_kept(const char *key)
{
	return begin_as(&(struct lease_request){
		.cls = POOL_DOCUMENT, .wait_ms = 20000, .ttl_ms = 60000, .key = key });
}

void open_page(struct lease *l, const char *path)
{
	CLEANUP_FREE char *url = mem_printf("%s%s", getenv("SITE_URL"), path);
	struct error err = { 0 };

	must(page_open(l, url, soon(), &err), &err);
}

struct lease *begin_at(const char *path)
{
	struct lease *l = begin(60000);

	open_page(l, path);
	return l;
}

const char *evaluate(struct lease *l, const char *expression)
{
	static char text[4096];
	json_t *value = NULL;
	struct error err = { 0 };
	char *dump;

	must(page_evaluate(l, expression, soon(), &value, &err), &err);
	dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	snprintf(text, sizeof(text), "%s", dump);
	free(dump);
	json_decref(value);
	return text;
}

/* Names of streams count up. */
void no_stream_is_open(struct lease *l)
{
	for (int i = 1; i < 10; i++) {
		CLEANUP_FREE char *handle = mem_printf("%d", i);

		assert_int_equal(page_call(l, "IO.read", json_pack("{ss}", "handle", handle),
					   soon(), NULL, NULL),
				 -EREMOTEIO);
	}
}
