#include "ooxml.h"

#include <assert.h>
#include <string.h>

void ooxml_add(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '"':
			buf_add_str(out, "&quot;");
			break;
		case '\n':
			buf_add_str(out, "&#10;");
			break;
		case '\t':
			buf_add_str(out, "&#9;");
			break;
		default:
			buf_add_char(out, *text);
		}
	}
}

static const struct ooxml_field *find_field(const char *name, size_t len,
					    const struct ooxml_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

void ooxml_expand(struct buf *out, const char *part, const struct ooxml_field *fields, size_t count)
{
	const char *at;

	while ((at = strchr(part, '@')) != NULL) {
		size_t len = strcspn(at + 1, "@");
		const struct ooxml_field *field = find_field(at + 1, len, fields, count);

		assert(field != NULL && at[1 + len] == '@');
		buf_add(out, part, (size_t)(at - part));
		if (field->xml != NULL)
			buf_add_str(out, field->xml);
		else
			ooxml_add(out, field->text);
		part = at + len + 2;
	}
	buf_add_str(out, part);
}
