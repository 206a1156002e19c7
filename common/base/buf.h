/*
 * buf.h - a growing byte buffer, always NUL-ended behind its last byte.
 *
 *	CLEANUP(buf_done) struct buf b = BUF_INIT;
 *	buf_printf(&b, "%d", 7);
 *
 * Held by value. data is valid until the next call that changes the buffer; it is never NULL.
 */
#pragma once

#include <stddef.h>
#include <stdbool.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

extern char buf_empty[1];
#define BUF_INIT { .data = buf_empty }

void buf_done(struct buf *b);  /* frees; leaves it empty and usable */
void buf_clear(struct buf *b); /* len = 0, memory kept */
void buf_wipe(struct buf *b);  /* overwrites, then frees: for secrets */
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t len); /* the first len bytes */
char *buf_take(struct buf *b);            /* the memory is yours: free() */
