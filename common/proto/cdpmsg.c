#include "cdpmsg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jsonscan.h"

/* One member, between its quoted name and the end of its value. */
struct member {
	struct cdp_span name; /* between the quotes */
	struct cdp_span value;
};

static int scan_member(struct jsonscan *s, const char *text, struct member *ret, struct error *err)
{
	const char *from;
	bool plain;

	jsonscan_space(s);
	from = s->p;
	if (!jsonscan_string(s, &plain))
		return error_set(err, -EBADMSG, "not a JSON object");
	if (!plain)
		return error_set(err, -EBADMSG, "escapes in a top-level name");
	ret->name = (struct cdp_span){ (size_t)(from + 1 - text), (size_t)(s->p - from) - 2 };
	if (!jsonscan_char(s, ':'))
		return error_set(err, -EBADMSG, "not a JSON object");
	jsonscan_space(s);
	from = s->p;
	if (!jsonscan_value(s))
		return error_set(err, -EBADMSG, "not JSON, or deeper than %d", JSONSCAN_MAX_DEPTH);
	ret->value = (struct cdp_span){ (size_t)(from - text), (size_t)(s->p - from) };
	return 0;
}

static bool span_is(const char *text, struct cdp_span span, const char *word)
{
	size_t len = strlen(word);

	return span.len == len && memcmp(text + span.at, word, len) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int take_id(struct cdpmsg *m, const struct member *member, struct error *err)
{
	int64_t id = 0;

	if (m->has_id)
		return error_set(err, -EBADMSG, "two ids");
	for (size_t i = 0; i < member->value.len; i++) {
		char c = m->text[member->value.at + i];

		if (!is_digit(c) || id > CDP_MAX_ID / 10)
			return error_set(err, -EBADMSG, "id is not a whole number");
		id = id * 10 + (c - '0');
	}
	if (id > CDP_MAX_ID)
		return error_set(err, -EBADMSG, "id is too large");
	m->has_id = true;
	m->id = id;
	m->id_value = member->value;
	return 0;
}

static int take_text(struct cdpmsg *m, const struct member *member, struct cdp_span *ret,
		     const char *name, struct error *err)
{
	if (ret->len > 0)
		return error_set(err, -EBADMSG, "two members named %s", name);
	if (m->text[member->value.at] != '"' || member->value.len == 2 ||
	    memchr(m->text + member->value.at, '\\', member->value.len) != NULL)
		return error_set(err, -EBADMSG, "%s is not a plain text", name);
	*ret = (struct cdp_span){ member->value.at + 1, member->value.len - 2 };
	return 0;
}

static int take_member(struct cdpmsg *m, const struct member *member, struct error *err)
{
	if (span_is(m->text, member->name, "id"))
		return take_id(m, member, err);
	if (span_is(m->text, member->name, "method"))
		return take_text(m, member, &m->method, "method", err);
	if (span_is(m->text, member->name, "sessionId")) {
		m->session_member.at = member->name.at - 1;
		m->session_member.len = member->value.at + member->value.len - member->name.at + 1;
		return take_text(m, member, &m->session, "sessionId", err);
	}
	if (span_is(m->text, member->name, "params")) {
		if (m->params.len > 0)
			return error_set(err, -EBADMSG, "two members named params");
		m->params = member->value;
	}
	return 0;
}

/* Lets session_member reach over the comma before it, or else the one behind it. */
static void widen_session_member(struct cdpmsg *m)
{
	struct cdp_span *span = &m->session_member;
	size_t end = span->at + span->len;
	size_t at = span->at;

	while (m->text[at - 1] != ',' && m->text[at - 1] != '{')
		at--;
	if (m->text[at - 1] == ',') {
		at--;
	} else {
		while (m->text[end] != ',' && m->text[end] != '}')
			end++;
		if (m->text[end] == ',')
			end++;
	}
	*span = (struct cdp_span){ at, end - at };
}

int cdpmsg_scan(const char *text, size_t len, struct cdpmsg *ret, struct error *err)
{
	struct jsonscan s = { .p = text, .end = text + len };
	struct cdpmsg m = { .text = text };

	if (!jsonscan_char(&s, '{'))
		return error_set(err, -EBADMSG, "not a JSON object");
	for (bool first = true; !jsonscan_char(&s, '}'); first = false) {
		struct member member;
		int r;

		if (!first && !jsonscan_char(&s, ','))
			return error_set(err, -EBADMSG, "not a JSON object");
		r = scan_member(&s, text, &member, err);
		if (r == 0)
			r = take_member(&m, &member, err);
		if (r < 0)
			return r;
	}
	m.end = (size_t)(s.p - text) - 1;
	jsonscan_space(&s);
	if (s.p != s.end)
		return error_set(err, -EBADMSG, "more than one JSON object");
	if (m.session.len > 0)
		widen_session_member(&m);
	*ret = m;
	return 0;
}

bool cdpmsg_method_is(const struct cdpmsg *m, const char *method)
{
	return span_is(m->text, m->method, method);
}

bool cdpmsg_session_is(const struct cdpmsg *m, const char *session)
{
	return span_is(m->text, m->session, session);
}

static void add_piece(struct cdp_pieces *out, const char *data, size_t len)
{
	if (len == 0)
		return;
	out->at[out->count++] = (struct cdp_piece){ data, len };
	out->bytes += len;
}

static void add_number(struct cdp_pieces *out, int64_t number)
{
	int len = snprintf(out->number, sizeof(out->number), "%" PRId64, number);

	add_piece(out, out->number, (size_t)len);
}

/* The text from one place up to another. */
static void add_text(struct cdp_pieces *out, const struct cdpmsg *m, size_t from, size_t to)
{
	add_piece(out, m->text + from, to - from);
}

/* Behind what stands up to `at`: the session's new name or nothing, and then at is behind it. */
static void exchange_session(struct cdp_pieces *out, const struct cdpmsg *m, const char *session,
			     size_t *at)
{
	struct cdp_span span = session ? m->session : m->session_member;

	add_text(out, m, *at, span.at);
	if (session != NULL)
		add_piece(out, session, strlen(session));
	*at = span.at + span.len;
}

void cdpmsg_readdress(const struct cdpmsg *m, int64_t id, const char *session,
		      struct cdp_pieces *ret)
{
	static const char before[] = ",\"sessionId\":\"";
	bool has_session = m->session.len > 0;
	bool session_first = has_session && m->session.at < m->id_value.at;
	size_t at = 0;

	ret->count = ret->bytes = 0;
	if (session_first)
		exchange_session(ret, m, session, &at);
	if (m->has_id) {
		add_text(ret, m, at, m->id_value.at);
		add_number(ret, id);
		at = m->id_value.at + m->id_value.len;
	}
	if (has_session && !session_first)
		exchange_session(ret, m, session, &at);
	add_text(ret, m, at, m->end);
	if (!has_session && session != NULL) {
		add_piece(ret, before, sizeof(before) - 1);
		add_piece(ret, session, strlen(session));
		add_piece(ret, "\"", 1);
	}
	add_piece(ret, "}", 1);
}
