#include "plain_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

#define MAX_ENTITY 32 /* longer ones stay as they are */
#define ELLIPSIS   0x2026u
#define REPLACED   0xfffdu

/* From U+00A0 on, in order (HTML 4's Latin-1 list). */
static const char *const latin1[] = {
	"nbsp",	  "iexcl",  "cent",   "pound",	"curren", "yen",    "brvbar", "sect",	"uml",
	"copy",	  "ordf",   "laquo",  "not",	"shy",	  "reg",    "macr",   "deg",	"plusmn",
	"sup2",	  "sup3",   "acute",  "micro",	"para",	  "middot", "cedil",  "sup1",	"ordm",
	"raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",	"Atilde",
	"Auml",	  "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",	"Igrave",
	"Iacute", "Icirc",  "Iuml",   "ETH",	"Ntilde", "Ograve", "Oacute", "Ocirc",	"Otilde",
	"Ouml",	  "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
	"szlig",  "agrave", "aacute", "acirc",	"atilde", "auml",   "aring",  "aelig",	"ccedil",
	"egrave", "eacute", "ecirc",  "euml",	"igrave", "iacute", "icirc",  "iuml",	"eth",
	"ntilde", "ograve", "oacute", "ocirc",	"otilde", "ouml",   "divide", "oslash", "ugrave",
	"uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static const struct {
	const char *name;
	uint32_t sign;
} others[] = {
	{ "amp", '&' },	     { "lt", '<' },	  { "gt", '>' },	{ "quot", '"' },
	{ "apos", '\'' },    { "ndash", 0x2013 }, { "mdash", 0x2014 },	{ "lsquo", 0x2018 },
	{ "rsquo", 0x2019 }, { "sbquo", 0x201a }, { "ldquo", 0x201c },	{ "rdquo", 0x201d },
	{ "bdquo", 0x201e }, { "bull", 0x2022 },  { "hellip", 0x2026 }, { "euro", 0x20ac },
	{ "trade", 0x2122 }, { "larr", 0x2190 },  { "rarr", 0x2192 },	{ "zwnj", 0x200c },
	{ "zwj", 0x200d },
};

/* 0: none of that name. */
static uint32_t named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(others[i].name, name) == 0)
			return others[i].sign;
	for (size_t i = 0; i < ARRAY_LEN(latin1); i++)
		if (strcmp(latin1[i], name) == 0)
			return 0xa0u + (uint32_t)i;
	return 0;
}

/* What HTML makes of "&#128;" and its neighbours is Windows-1252's business; here they are
 * replaced. */
static uint32_t numbered(const char *digits)
{
	bool is_hex = digits[0] == 'x' || digits[0] == 'X';
	const char *p = digits + is_hex;
	uint32_t value = 0;

	if (*p == '\0')
		return 0;
	for (; *p; p++) {
		const char *at = strchr("0123456789abcdef", *p | 0x20);
		uint32_t digit = *p >= '0' && *p <= '9' ? (uint32_t)(*p - '0')
				 : is_hex && at		? (uint32_t)(at - "0123456789abcdef")
							: 16u;

		if (digit > 15)
			return 0;
		value = value * (is_hex ? 16u : 10u) + digit;
		if (value > 0x10ffff)
			return REPLACED;
	}
	if (value == 0 || (value >= 0x80 && value < 0xa0) || (value >= 0xd800 && value < 0xe000))
		return REPLACED;
	return value;
}

/* The entity that *text begins with, and *text moved behind it; 0: an ampersand only. */
static uint32_t decode_entity(const char **text)
{
	const char *name = *text + 1;
	size_t len = strcspn(name, "; &<\t\n");
	char copy[MAX_ENTITY + 1];
	uint32_t sign;

	if (name[len] != ';' || len == 0 || len > MAX_ENTITY)
		return 0;
	memcpy(copy, name, len);
	copy[len] = '\0';
	sign = copy[0] == '#' ? numbered(copy + 1) : named(copy);
	if (sign != 0)
		*text = name + len + 1;
	return sign;
}

/* jansson has judged the UTF-8. */
static uint32_t next_sign(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	uint32_t sign = more == 0 ? p[0] : p[0] & (0x3fu >> more);
	int i = 1;

	for (; i <= more && p[i] != '\0'; i++)
		sign = sign << 6 | (p[i] & 0x3f);
	*text += i;
	return sign;
}

static bool is_dropped(uint32_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f || c == 0x200b ||
	       c == 0x2060 || c == 0xfeff || c == 0xfffe || c == 0xffff ||
	       (c >= 0x202a && c <= 0x202e);
}

static bool is_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static void add_sign(struct buf *out, uint32_t c)
{
	char utf8[4];
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		utf8[i] = (char)(0x80 | (c & 0x3f));
	utf8[0] = (char)(len == 1 ? c : (0xf00u >> len & 0xff) | c);
	buf_add(out, utf8, len);
}

static void clip(struct buf *text, size_t max_units)
{
	const char *p = text->data, *cut = p;
	size_t units = 0;

	while (*p != '\0') {
		units += next_sign(&p) > 0xffff ? 2 : 1;
		if (units < max_units)
			cut = p;
	}
	if (units <= max_units)
		return;
	text->len = (size_t)(cut - text->data);
	add_sign(text, ELLIPSIS);
}

char *plain_text(const char *html, size_t max_units)
{
	struct buf out = BUF_INIT;
	bool has_gap = false;

	while (*html != '\0') {
		uint32_t c = *html == '&' ? decode_entity(&html) : 0;

		if (c == 0)
			c = next_sign(&html);
		if (is_dropped(c))
			continue;
		if (is_space(c)) {
			has_gap = true;
			continue;
		}
		if (has_gap && out.len > 0)
			buf_add_char(&out, ' ');
		has_gap = false;
		add_sign(&out, c);
	}
	clip(&out, max_units);
	return buf_take(&out);
}
