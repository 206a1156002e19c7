#include "page_name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "mem.h"
#include "text.h"

/* ---- pieces of the header ---- */

static const char *skip(const char *p, const char *chars)
{
	return p + strspn(p, chars);
}

/* "…", with backslashes before what is meant as it stands; behind its end. */
static const char *take_quoted(const char *p, struct buf *value)
{
	for (p++; *p != '\0' && *p != '"'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		buf_add_char(value, *p);
	}
	return *p == '"' ? p + 1 : p;
}

static const char *take_value(const char *p, struct buf *value)
{
	size_t len;

	if (*p == '"')
		return take_quoted(p, value);
	len = strcspn(p, ";");
	buf_add(value, p, len);
	while (value->len > 0 && strchr(" \t", value->data[value->len - 1]) != NULL)
		value->data[--value->len] = '\0';
	return p + len;
}

/* The value of a parameter; false: it has none of that name. */
static bool find_parameter(const char *header, const char *name, struct buf *value)
{
	const char *p = header + strcspn(header, ";");

	while (*p == ';') {
		size_t len;
		bool wanted;

		p = skip(p, "; \t");
		len = strcspn(p, "=; \t");
		wanted = len == strlen(name) && strncasecmp(p, name, len) == 0;
		p = skip(p + len, " \t");
		if (*p == '=') {
			buf_clear(value);
			p = take_value(skip(p + 1, " \t"), value);
			if (wanted)
				return true;
		}
		p += strcspn(p, ";");
	}
	return false;
}

/* ---- encodings ---- */

static void unescape(const char *text, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		char digits[3] = { 0 }, byte;

		if (text[i] == '%' && i + 2 < len) {
			memcpy(digits, text + i + 1, 2);
			if (text_unhex(digits, &byte, 1) == 0) {
				buf_add_char(out, byte);
				i += 2;
				continue;
			}
		}
		buf_add_char(out, text[i]);
	}
}

/* UTF-8'en'na%C3%AFve; other character sets are not understood. */
static bool decode_extended(const char *value, struct buf *out)
{
	const char *language = strchr(value, '\''), *text;

	if (strncasecmp(value, "utf-8'", 6) != 0 || language == NULL)
		return false;
	text = strchr(language + 1, '\'');
	if (text == NULL)
		return false;
	unescape(text + 1, strlen(text + 1), out);
	return true;
}

static void add_from_url(const char *url, struct buf *out)
{
	const char *path = strstr(url, "://"), *end, *name;

	path = path ? path + 3 : url;
	end = path + strcspn(path, "?#");
	path += strcspn(path, "/?#");
	name = path;
	for (const char *p = path; p < end; p++)
		if (*p == '/')
			name = p + 1;
	unescape(name, (size_t)(end - name), out);
}

/* ---- what is good for a folder ---- */

static bool is_printable(char c)
{
	return (unsigned char)c >= ' ' && c != '\177';
}

/* false: nothing is left of it. */
static bool clean(const struct buf *raw, char ret[PAGE_NAME_SIZE])
{
	CLEANUP(buf_done) struct buf name = BUF_INIT;
	size_t len;

	if (!text_is_utf8(raw->data, raw->len))
		return false;
	for (size_t i = 0; i < raw->len; i++) {
		char c = raw->data[i];

		if (c == '/' || c == '\\')
			buf_clear(&name); /* a path says nothing but its last part */
		else if (is_printable(c) && (name.len > 0 || strchr(". ", c) == NULL))
			buf_add_char(&name, c);
	}
	len = text_cut_utf8(name.data, name.len, PAGE_NAME_SIZE - 1);
	snprintf(ret, PAGE_NAME_SIZE, "%.*s", (int)len, name.data);
	return len > 0;
}

void page_file_name(const char *disposition, const char *url, char ret[PAGE_NAME_SIZE])
{
	CLEANUP(buf_done) struct buf value = BUF_INIT, name = BUF_INIT;

	if (disposition != NULL) {
		if (find_parameter(disposition, "filename*", &value) &&
		    decode_extended(value.data, &name) && clean(&name, ret))
			return;
		if (find_parameter(disposition, "filename", &value) && clean(&value, ret))
			return;
	}
	buf_clear(&name);
	add_from_url(url, &name);
	if (!clean(&name, ret))
		snprintf(ret, PAGE_NAME_SIZE, "download");
}
