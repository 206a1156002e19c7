#include "href.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "text.h"

#define HOST_MAX 253

static bool is_alnum(char c)
{
	return isascii((unsigned char)c) && isalnum((unsigned char)c);
}

/* Labels of letters, digits, - and _, none of them empty; a bare name such as localhost is fine. */
static bool is_host(const char *s, size_t len)
{
	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool is_edge = i == 0 || i + 1 == len || s[i - 1] == '.';

		if (!is_alnum(s[i]) && (is_edge || !strchr(".-_", s[i])))
			return false;
	}
	return true;
}

static bool is_port(const char *s, size_t len)
{
	unsigned value = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (unsigned)(s[i] - '0');
	}
	return value <= 65535;
}

static bool is_authority(const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);

	if (colon == NULL)
		return is_host(s, len);
	return is_host(s, (size_t)(colon - s)) && is_port(colon + 1, len - (size_t)(colon - s) - 1);
}

/* RFC 3986: path, query and fragment; the first # stays, later ones are encoded. */
static void add_encoded(struct buf *out, const char *s)
{
	bool in_fragment = false;

	for (; *s != '\0'; s++) {
		bool is_escape =
			*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]);

		if (is_alnum(*s) || strchr("-._~!$&'()*+,;=:@/?", *s) || is_escape ||
		    (*s == '#' && !in_fragment))
			buf_add_char(out, *s);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*s);
		in_fragment = in_fragment || *s == '#';
	}
}

static bool add_web(const char *scheme, const char *rest, struct buf *out)
{
	size_t len = strcspn(rest, "/?#");

	if (!is_authority(rest, len))
		return false;
	buf_printf(out, "%s://%.*s%s", scheme, (int)len, rest, rest[len] == '/' ? "" : "/");
	add_encoded(out, rest + len);
	return true;
}

static bool add_mail(const char *rest, struct buf *out)
{
	size_t len = strcspn(rest, "?");
	const char *at = memchr(rest, '@', len);
	size_t local = at ? (size_t)(at - rest) : 0;

	if (local == 0 || !is_host(at + 1, len - local - 1) || strchr(rest + len, '#'))
		return false;
	for (size_t i = 0; i < local; i++)
		if (!is_alnum(rest[i]) && !strchr("._+-", rest[i]))
			return false;
	buf_printf(out, "mailto:%.*s", (int)len, rest);
	add_encoded(out, rest + len);
	return true;
}

static bool add_href(const char *text, struct buf *out)
{
	if (strncasecmp(text, "https://", 8) == 0)
		return add_web("https", text + 8, out);
	if (strncasecmp(text, "http://", 7) == 0)
		return add_web("http", text + 7, out);
	if (strncasecmp(text, "mailto:", 7) == 0)
		return add_mail(text + 7, out);
	return false;
}

bool href_clean(const char *text, struct buf *out)
{
	CLEANUP(buf_done) struct buf href = BUF_INIT;
	size_t len = strlen(text);

	if (len > HREF_MAX || !text_is_utf8(text, len) || text_has_control(text, len))
		return false;
	if (!add_href(text, &href) || href.len > HREF_MAX)
		return false;
	buf_add(out, href.data, href.len);
	return true;
}
