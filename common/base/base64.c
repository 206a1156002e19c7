#include "base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct buf *out)
{
	const unsigned char *s = data;

	buf_reserve(out, (len + 2) / 3 * 4);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)s[i + 1] << 8;
		if (i + 2 < len)
			v |= s[i + 2];
		buf_add_char(out, digits[v >> 18]);
		buf_add_char(out, digits[v >> 12 & 63]);
		buf_add_char(out, i + 1 < len ? digits[v >> 6 & 63] : '=');
		buf_add_char(out, i + 2 < len ? digits[v & 63] : '=');
	}
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* How many = stand at the end; 3 for what no base64 text ends with. */
static size_t padding(const char *text, size_t len)
{
	size_t n = 0;

	while (n < 3 && n < len && text[len - 1 - n] == '=')
		n++;
	return n;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
	size_t start = out->len, pad = padding(text, len);
	uint32_t v = 0;

	if (len % 4 != 0 || pad > 2)
		return false;
	buf_reserve(out, len / 4 * 3);
	for (size_t i = 0; i < len; i++) {
		int d = i < len - pad ? digit_value(text[i]) : 0;

		if (d < 0) {
			out->len = start;
			out->data[start] = '\0';
			return false;
		}
		v = v << 6 | (uint32_t)d;
		if (i % 4 == 3) {
			char bytes[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};

			buf_add(out, bytes, i + 1 == len ? 3 - pad : 3);
			v = 0;
		}
	}
	return true;
}
