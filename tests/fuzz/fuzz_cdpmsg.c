/*
 * Any bytes: what the scanner accepts must be a JSON object for a full parser as well, with the
 * same id, method and session; and both rewrites must give what the scanner accepts again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "buf.h"
#include "cdpmsg.h"
#include "mem.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const struct cdpmsg *m, struct cdp_span span, json_t *root, const char *name)
{
	json_t *value = json_object_get(root, name);

	must((span.len > 0) == json_is_string(value));
	if (span.len > 0)
		must(json_string_length(value) == span.len &&
		     memcmp(json_string_value(value), m->text + span.at, span.len) == 0);
}

/* jansson refuses a few things that are JSON (numbers too large for it, \u0000, bad UTF-8). */
static void compare_with_parser(const struct cdpmsg *m, size_t len)
{
	json_t *root = json_loadb(m->text, len, JSON_ALLOW_NUL, NULL);

	if (root == NULL)
		return;
	must(json_is_object(root));
	must(m->has_id == json_is_integer(json_object_get(root, "id")));
	must(!m->has_id || json_integer_value(json_object_get(root, "id")) == m->id);
	check_text(m, m->method, root, "method");
	check_text(m, m->session, root, "sessionId");
	must((m->params.len > 0) == (json_object_get(root, "params") != NULL));
	json_decref(root);
}

static void check_rewrite(const struct cdp_pieces *pieces, const struct cdpmsg *m, int64_t id,
			  const char *session)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT;
	struct cdpmsg again;

	for (size_t i = 0; i < pieces->count; i++)
		buf_add(&b, pieces->at[i].data, pieces->at[i].len);
	must(b.len == pieces->bytes);
	must(cdpmsg_scan(b.data, b.len, &again, NULL) == 0);
	must(again.has_id == m->has_id && (!again.has_id || again.id == id));
	must(again.method.len == m->method.len && again.params.len == m->params.len);
	must(session ? cdpmsg_session_is(&again, session) : again.session.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cdp_pieces pieces;
	struct cdpmsg m;

	if (cdpmsg_scan((const char *)data, size, &m, NULL) < 0)
		return 0;
	compare_with_parser(&m, size);
	cdpmsg_readdress(&m, 7, NULL, &pieces);
	check_rewrite(&pieces, &m, 7, NULL);
	if (m.has_id || m.method.len > 0) {
		cdpmsg_readdress(&m, 1234567, "0123456789ABCDEF", &pieces);
		check_rewrite(&pieces, &m, 1234567, "0123456789ABCDEF");
	}
	return 0;
}
