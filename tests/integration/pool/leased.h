/* What page.c, printing.c and downloads.c share: one lease at a time on the pool of $POOL_SOCKET, its
 * page on the site of page.test.mjs: $SITE_URL, which is $OTHER_URL under another host's name. Failures
 * end the test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page.h"

struct deadline soon(void);
void must(int r, const struct error *err);

/* The lease is good until end(), or the next begin. */
struct lease *begin(int ttl_ms);
struct lease *begin_at(const char *path); /* its page is open there */
struct lease *begin_kept(const char *key);
int end(void **state); /* a teardown */
void open_page(struct lease *l, const char *path);

/* The value as compact JSON; valid until the next call. */
const char *evaluate(struct lease *l, const char *expression);

/* None that was ever made is left in the browser. */
void no_stream_is_open(struct lease *l);
