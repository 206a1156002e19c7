#include "docx.h"

#include <string.h>

#include "clean.h"
#include "mem.h"

#define NAME_END   "-draft.docx"
#define MAX_STEM   (DOCX_FILE_NAME_MAX - (sizeof(NAME_END) - 1))
#define MAX_COURSE 32

/* Separators of any platform, what Windows forbids, dots (hidden files, reserved names such as
 * "con.") and marks of direction, with which "fdp.exe" can look like "exe.pdf". */
static bool becomes_dash(unsigned c)
{
	if (c < 0x80)
		return c <= ' ' || strchr("<>:\"/\\|?*.%$`'~#&;", (int)c) != NULL || c == 0x7f;
	return c == 0xa0 || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
	       (c >= 0x2066 && c <= 0x2069) || (c >= 0x2000 && c <= 0x200b) || c == 0x3000;
}

static void trim_dashes(struct buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] == '-')
		b->data[--b->len] = '\0';
}

/* Appends "-" and the text, both only if something of the text is left. */
static void add_words(struct buf *stem, const char *text, size_t max_bytes)
{
	CLEANUP_FREE char *line = clean_new_line(text, 1000);
	size_t len = strlen(line), n, start = stem->len;

	for (size_t at = 0; at < len; at += n) {
		bool after_dash = stem->len == 0 || stem->data[stem->len - 1] == '-';
		unsigned c = 0;

		n = clean_decode(line + at, len - at, &c);
		if (stem->len == start && start > 0 && !becomes_dash(c) && c != '-' && !after_dash)
			buf_add_char(stem, '-');
		if (stem->len + n > start + max_bytes)
			break;
		if (!becomes_dash(c) && !(c == '-' && after_dash))
			buf_add(stem, line + at, n);
		else if (!after_dash)
			buf_add_char(stem, '-');
	}
	trim_dashes(stem);
}

char *docx_file_name(const char *course, const char *title)
{
	CLEANUP(buf_done) struct buf stem = BUF_INIT;

	add_words(&stem, course, MAX_COURSE);
	add_words(&stem, title, MAX_STEM - stem.len);
	if (stem.len == 0)
		buf_add_str(&stem, "assignment");
	buf_add_str(&stem, NAME_END);
	return buf_take(&stem);
}
