#include "mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void (*failure_fn)(void);

void mem_on_failure(void (*fn)(void))
{
	failure_fn = fn;
}

static void *must(void *ptr)
{
	if (ptr == NULL) {
		static const char text[] = "<0>level=emerg msg=\"out of memory\"\n";
		fwrite(text, 1, sizeof(text) - 1, stderr);
		if (failure_fn != NULL)
			failure_fn();
		abort();
	}
	return ptr;
}

/* glibc keeps what was freed of this size for each thread, and its calloc() takes nothing of it. */
#define KEPT_MAX 1024

void *mem_zalloc(size_t size)
{
	if (size == 0 || size > KEPT_MAX)
		return must(calloc(1, size ? size : 1));
	return memset(must(malloc(size)), 0, size);
}

void *mem_zalloc_array(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

void *mem_malloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

void *mem_realloc(void *ptr, size_t size)
{
	return must(realloc(ptr, size ? size : 1));
}

char *mem_strdup(const char *text)
{
	return must(strdup(text));
}

char *mem_strndup(const char *text, size_t len)
{
	return must(strndup(text, len));
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return must(text);
}

void mem_wipe(void *ptr, size_t len)
{
	explicit_bzero(ptr, len);
}

void mem_wipe_free(void *ptr)
{
	if (ptr != NULL)
		mem_wipe(ptr, malloc_usable_size(ptr));
	free(ptr);
}

void mem_free_ptr(void *ptr_to_ptr)
{
	free(*(void **)ptr_to_ptr);
}
