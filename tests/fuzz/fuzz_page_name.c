/* Any bytes as a file's header, and behind a line's end its address: what comes out is always a name
 * for one place in a folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "page_name.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = mem_strndup((const char *)data, size);
	char name[PAGE_NAME_SIZE], *url = strchr(text, '\n');

	if (url != NULL)
		*url++ = '\0';
	page_file_name(text, url ? url : "", name);
	if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\") != NULL ||
	    text_has_control(name, strlen(name)) || !text_is_utf8(name, strlen(name)))
		abort();
	return 0;
}
