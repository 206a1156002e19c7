#include "jsonscan.h"

#include <stddef.h>
#include <string.h>

void jsonscan_space(struct jsonscan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

bool jsonscan_char(struct jsonscan *s, char c)
{
	jsonscan_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind a backslash. */
static bool skip_escape(struct jsonscan *s)
{
	if (s->p == s->end)
		return false;
	if (*s->p != 'u')
		return memchr("\"\\/bfnrt", *s->p++, 8) != NULL;
	s->p++;
	for (int i = 0; i < 4; i++, s->p++)
		if (s->p == s->end || !is_hex(*s->p))
			return false;
	return true;
}

bool jsonscan_string(struct jsonscan *s, bool *plain)
{
	*plain = true;
	if (s->p == s->end || *s->p != '"')
		return false;
	for (s->p++; s->p < s->end;) {
		unsigned char c = (unsigned char)*s->p++;

		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c == '\\') {
			*plain = false;
			if (!skip_escape(s))
				return false;
		}
	}
	return false;
}

static bool skip_digits(struct jsonscan *s)
{
	const char *from = s->p;

	while (s->p < s->end && is_digit(*s->p))
		s->p++;
	return s->p > from;
}

static bool skip_number(struct jsonscan *s)
{
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!skip_digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!skip_digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		return skip_digits(s);
	}
	return true;
}

static bool skip_word(struct jsonscan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static bool skip_scalar(struct jsonscan *s)
{
	bool plain;

	switch (*s->p) {
	case '"':
		return jsonscan_string(s, &plain);
	case 't':
		return skip_word(s, "true");
	case 'f':
		return skip_word(s, "false");
	case 'n':
		return skip_word(s, "null");
	default:
		return skip_number(s);
	}
}

static bool skip_name(struct jsonscan *s)
{
	bool plain;

	jsonscan_space(s);
	return jsonscan_string(s, &plain) && jsonscan_char(s, ':');
}

/* A value begins here: steps into arrays and objects, up to a scalar or an empty one's end. */
static bool enter_value(struct jsonscan *s)
{
	for (;;) {
		char c;

		jsonscan_space(s);
		if (s->p == s->end)
			return false;
		c = *s->p;
		if (c != '{' && c != '[')
			return skip_scalar(s);
		if (s->depth == JSONSCAN_MAX_DEPTH)
			return false;
		s->closer[s->depth++] = c == '{' ? '}' : ']';
		s->p++;
		jsonscan_space(s);
		if (s->p < s->end && *s->p == s->closer[s->depth - 1])
			return true; /* leave_values() closes it */
		if (c == '{' && !skip_name(s))
			return false;
	}
}

/* Behind a value: closes what ends here. *more: another value follows. */
static bool leave_values(struct jsonscan *s, bool *more)
{
	*more = false;
	while (s->depth > 0) {
		char closer = s->closer[s->depth - 1];

		jsonscan_space(s);
		if (s->p == s->end)
			return false;
		if (*s->p == closer) {
			s->p++;
			s->depth--;
			continue;
		}
		if (*s->p != ',')
			return false;
		s->p++;
		*more = true;
		return closer == ']' || skip_name(s);
	}
	return true;
}

bool jsonscan_value(struct jsonscan *s)
{
	bool more = true;

	s->depth = 0;
	while (more)
		if (!enter_value(s) || !leave_values(s, &more))
			return false;
	return true;
}
