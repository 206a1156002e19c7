#include "buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "mem.h"

char buf_empty[1];

void buf_done(struct buf *b)
{
	if (b->data != buf_empty)
		free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != buf_empty)
		b->data[0] = '\0';
}

void buf_wipe(struct buf *b)
{
	if (b->cap > 0)
		mem_wipe(b->data, b->cap);
	buf_done(b);
}

void buf_reserve(struct buf *b, size_t extra)
{
	size_t need = b->len + extra + 1;
	size_t cap = b->cap;

	if (need <= b->cap)
		return;
	while (cap < need)
		cap = cap ? cap * 2 : 64;
	b->data = mem_realloc(b->data == buf_empty ? NULL : b->data, cap);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len > 0) {
		buf_reserve(b, (size_t)len);
		vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
}

void buf_drop(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	if (len >= b->len) {
		buf_clear(b);
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
	b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
	char *data = b->data == buf_empty ? mem_strdup("") : b->data;

	*b = (struct buf)BUF_INIT;
	return data;
}
