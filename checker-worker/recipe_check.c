#include "recipe_check.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "text.h"

#define MAX_SELECTOR 300

bool recipe_is_one_of(const char *text, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

int recipe_wrong_word(const char *member, const char *text, const char *const *list,
		      struct error *err)
{
	CLEANUP(buf_done) struct buf all = BUF_INIT;

	for (size_t i = 0; list[i] != NULL; i++)
		buf_printf(&all, "%s%s", i ? ", " : "", list[i]);
	return error_set(err, -EINVAL, "%s: \"%.40s\" is not known; it may be %s", member, text,
			 all.data);
}

int recipe_check_members(json_t *object, const char *const *names, struct error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return error_set(err, -EINVAL, "must be an object: {…}");
	json_object_foreach (object, key, value)
		if (!recipe_is_one_of(key, names))
			return recipe_wrong_word("member", key, names, err);
	return 0;
}

int recipe_check_text(const char *member, json_t *value, size_t max, struct error *err)
{
	const char *text = json_string_value(value);
	size_t len = text ? json_string_length(value) : 0;

	if (text == NULL || len == 0)
		return error_set(err, -EINVAL, "%s: must be a text, and not empty", member);
	if (len > max || strlen(text) != len || text_has_control(text, len))
		return error_set(err, -EINVAL, "%s: at most %zu bytes, without control characters",
				 member, max);
	return 0;
}

/* What begins with the sign is skipped to its end; 0: it has none. */
static size_t skip_quoted(const char *text)
{
	for (size_t i = 1; text[i] != '\0'; i++) {
		if (text[i] == '\\' && text[i + 1] != '\0')
			i++;
		else if (text[i] == text[0])
			return i;
	}
	return 0;
}

int recipe_check_selector(const char *member, json_t *value, struct error *err)
{
	int round = 0, square = 0, e = recipe_check_text(member, value, MAX_SELECTOR, err);
	const char *text = json_string_value(value);

	for (const char *p = text; e == 0 && *p != '\0'; p++) {
		if (*p == '"' || *p == '\'') {
			size_t end = skip_quoted(p);

			if (end == 0)
				return error_set(err, -EINVAL, "%s: \"%s\": a quote is not closed",
						 member, text);
			p += end;
		}
		round += (*p == '(') - (*p == ')');
		square += (*p == '[') - (*p == ']');
		if (*p == '{' || *p == '}' || *p == ';' || round < 0 || square < 0)
			return error_set(err, -EINVAL, "%s: \"%s\" is no CSS selector", member,
					 text);
	}
	if (e == 0 && (round != 0 || square != 0))
		e = error_set(err, -EINVAL, "%s: \"%s\": a bracket is not closed", member, text);
	return e;
}
