/*
 * mem.h - memory that does not fail, and release by scope.
 *
 * Allocation aborts when memory is gone: systemd restarts the daemon, and no code path exists that
 * was never tested. Sizes that come from outside must be bounded before they reach these calls.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

void *mem_zalloc(size_t size);			      /* zeroed; free with free() */
void *mem_zalloc_array(size_t count, size_t size);    /* aborts on overflow too */
void *mem_realloc(void *ptr, size_t size);
void *mem_malloc(size_t size); /* malloc() for a library that would not expect the end, either */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Called before the abort; may end the process in its own way. */
void mem_on_failure(void (*fn)(void));

/* Overwrites a secret; not optimised away. */
void mem_wipe(void *ptr, size_t len);
/* free() for a library whose memory may hold secrets: wipes the whole block first. */
void mem_wipe_free(void *ptr);

/*
 * CLEANUP(buf_done) struct buf b = BUF_INIT;  calls buf_done(&b) when b leaves its scope.
 * For pointers use CLEANUP_FREE char *p = NULL;
 */
#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define CLEANUP_FREE __attribute__((cleanup(mem_free_ptr)))
void mem_free_ptr(void *ptr_to_ptr);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))
