/*
 * What comes in on the gateway's port and is read by us: a path and header names on their way to the
 * router, and messages of the live channel. And what other daemons counted, on its way to a scraper.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http_guard.h"
#include "live_message.h"
#include "mem.h"
#include "metrics_foreign.h"
#include "metrics_text.h"
#include "rate.h"
#include "router.h"
#include "static.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_path(const char *raw)
{
	char *path = router_decode_path(raw);
	char param[ROUTE_PARAM_SIZE];

	if (path != NULL) {
		expect(path[0] == '/' && !text_has_control(path, strlen(path)));
		for (size_t i = 0; i < route_count; i++)
			if (router_match(routes[i].path, path, param))
				expect(strpbrk(param, "/.%?") == NULL);
		static_content_type(path + 1);
	}
	free(path);
}

static void check_header(const char *text)
{
	if (http_guard_is_length(text))
		expect(strspn(text, "0123456789") == strlen(text) && text[0] != '\0');
	if (http_guard_is_token(text) || http_guard_is_host(text))
		expect(strpbrk(text, " \t\r\n/\\\"@") == NULL);
}

static void check_message(const char *text, size_t len)
{
	struct live_message m;

	if (live_message_parse(text, len, &m) == NULL && m.type == LIVE_SUBSCRIBE)
		expect(id_is_valid(m.job) && m.have.attempt >= -1 && m.have.n >= -1);
}

static void check_address(const char *text)
{
	char out[RATE_ADDRESS_SIZE];

	if (rate_format_address(text, out))
		expect(strspn(out, "0123456789abcdef.:/") == strlen(out) && out[0] != '\0');
}

/* Whatever they say: lines that a scraper reads. */
static void check_lines(const struct foreign *all)
{
	CLEANUP(buf_done) struct buf out = BUF_INIT;

	foreign_write(all, &out);
	for (const char *line = out.data; *line != '\0'; line = strchr(line, '\n') + 1) {
		expect(strchr(line, '\n') != NULL);
		expect(line[0] == '#' || metrics_name_is_valid(line, strcspn(line, "{ ")));
	}
	expect(text_is_utf8(out.data, out.len));
}

static void check_foreign(const char *text, size_t len)
{
	CLEANUP(foreign_done) struct foreign all = { 0 };
	json_t *json = json_loadb(text, len, 0, NULL);

	foreign_add(&all, text, 1, "a \"worker\"\\");
	foreign_add_all(&all, json, NULL);
	check_lines(&all);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = mem_zalloc(size + 1);

	memcpy(text, data, size);
	check_path(text);
	check_header(text);
	check_message(text, size);
	check_address(text);
	check_foreign(text, size);
	return 0;
}
