#include "clean.h"

#include <string.h>

#include "mem.h"
#include "text.h"

size_t clean_decode(const char *text, size_t len, unsigned *ret)
{
	static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	unsigned code = s[0] & lead_mask[n];

	if (n > len || !text_is_utf8(text, n))
		return 0;
	for (size_t i = 1; i < n; i++)
		code = code << 6 | (s[i] & 0x3f);
	*ret = code;
	return n;
}

static bool is_left_out(unsigned c)
{
	if (c < 0x20)
		return c != '\t' && c != '\n';
	return (c >= 0x7f && c < 0xa0) ||      /* DEL and C1 */
	       (c >= 0x202a && c <= 0x202e) || /* embeddings and overrides of direction */
	       (c >= 0xfdd0 && c <= 0xfdef) || /* not characters */
	       (c & 0xfffe) == 0xfffe || c == 0xfeff;
}

void clean_text(struct buf *out, const char *text, size_t len)
{
	size_t n;

	for (size_t at = 0; at < len; at += n ? n : 1) {
		unsigned c = 0;

		n = clean_decode(text + at, len - at, &c);
		if (n > 0 && c == '\r') {
			if (at + 1 >= len || text[at + 1] != '\n')
				buf_add_char(out, '\n');
		} else if (n > 0 && !is_left_out(c)) {
			buf_add(out, text + at, n);
		}
	}
}

void clean_line(struct buf *out, const char *text, size_t len)
{
	CLEANUP(buf_done) struct buf clean = BUF_INIT;
	size_t start = out->len;
	bool space = false;

	clean_text(&clean, text, len);
	for (size_t i = 0; i < clean.len; i++) {
		char c = clean.data[i];

		if (c == ' ' || c == '\t' || c == '\n') {
			space = out->len > start;
			continue;
		}
		if (space)
			buf_add_char(out, ' ');
		space = false;
		buf_add_char(out, c);
	}
}

char *clean_new_line(const char *text, size_t max_bytes)
{
	CLEANUP(buf_done) struct buf line = BUF_INIT;
	size_t len = text ? strlen(text) : 0;

	clean_line(&line, text ? text : "", len);
	return mem_strndup(line.data, text_cut_utf8(line.data, line.len, max_bytes));
}

static bool is_rtl_letter(unsigned c)
{
	return (c >= 0x0590 && c <= 0x08ff) || (c >= 0xfb1d && c <= 0xfdff) ||
	       (c >= 0xfe70 && c <= 0xfefc) || (c >= 0x10800 && c <= 0x10fff) ||
	       (c >= 0x1e800 && c <= 0x1efff);
}

/* Good enough for a first letter: what is no letter below U+2C00 is listed. */
static bool is_ltr_letter(unsigned c)
{
	if (c < 0x80)
		return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
	return c >= 0xc0 && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x2bff) &&
	       !(c >= 0x3000 && c <= 0x3004) && !(c >= 0xfe00 && c <= 0xfe0f) &&
	       !(c >= 0x1f000 && c <= 0x1faff);
}

bool clean_is_rtl(const char *text)
{
	size_t len = strlen(text), n;

	for (size_t at = 0; at < len; at += n ? n : 1) {
		unsigned c = 0;

		n = clean_decode(text + at, len - at, &c);
		if (is_rtl_letter(c))
			return true;
		if (is_ltr_letter(c))
			return false;
	}
	return false;
}
