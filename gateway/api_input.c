#include "api_input.h"

#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "text.h"

#define KEY_MAX 128

static bool refuse(struct request *r, const char *code, const char *name, const char *what)
{
	reply_problem(r, 422, code, "%s: %s", name, what);
	return false;
}

bool input_members(struct request *r, json_t *object, const char *const *names)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (names[i] == NULL) {
			int shown = (int)text_cut_utf8(key, strlen(key), 40);

			reply_problem(r, 422, "unknown_member", "%.*s: not known here", shown, key);
			return false;
		}
	}
	return true;
}

static size_t measure(const char *text, size_t len, enum input_unit unit)
{
	size_t count = 0;

	if (unit == INPUT_BYTES)
		return len;
	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

bool input_text(struct request *r, json_t *object, const char *name, size_t min, size_t max,
		enum input_unit unit, const char **ret)
{
	json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	size_t len = json_string_length(value), size;

	if (text == NULL)
		return refuse(r, "invalid_input", name, "must be a text");
	size = measure(text, len, unit);
	if (size < min || size > max) {
		reply_problem(r, 422, "invalid_input", "%s: must hold %zu to %zu %s", name, min,
			      max, unit == INPUT_BYTES ? "bytes" : "characters");
		return false;
	}
	if (strlen(text) != len || !text_is_utf8(text, len) || text_has_control(text, len))
		return refuse(r, "invalid_input", name, "must not hold control characters");
	*ret = text;
	return true;
}

bool input_object(struct request *r, json_t *object, const char *name, json_t **ret)
{
	json_t *value = json_object_get(object, name);

	if (!json_is_object(value))
		return refuse(r, "invalid_input", name, "must be an object");
	*ret = value;
	return true;
}

bool input_choice(struct request *r, json_t *object, const char *name, const char *const *choices,
		  const char *unknown_code, const char **ret)
{
	json_t *value = json_object_get(object, name);

	for (size_t i = 0; choices[i] != NULL; i++) {
		if (value == NULL || (json_is_string(value) &&
				      strcmp(choices[i], json_string_value(value)) == 0)) {
			*ret = choices[i];
			return true;
		}
	}
	return refuse(r, unknown_code, name, "not one that Pensum knows");
}

static bool has_id(const int64_t *ids, size_t count, int64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

bool input_ids(struct request *r, json_t *object, const char *name, size_t max,
	       const char *too_many_code, int64_t *ids, size_t *count)
{
	json_t *list = json_object_get(object, name);
	size_t n = json_array_size(list);

	if (n == 0)
		return refuse(r, "invalid_input", name, "must be a list of at least one number");
	if (n > max) {
		reply_problem(r, 422, too_many_code, "%s: at most %zu at one time", name, max);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_array_get(list, i);
		int64_t id = json_integer_value(value);

		if (!json_is_integer(value) || id < 1 || id > INPUT_ID_MAX)
			return refuse(r, "invalid_input", name,
				      "every entry must be a positive whole number");
		if (has_id(ids, i, id)) {
			reply_problem(r, 422, "duplicate", "%s: %lld stands there twice", name,
				      (long long)id);
			return false;
		}
		ids[i] = id;
	}
	*count = n;
	return true;
}

const char *input_ids_as_array(struct request *r, const int64_t *ids, size_t count)
{
	CLEANUP(buf_done) struct buf b = BUF_INIT;

	for (size_t i = 0; i < count; i++)
		buf_printf(&b, "%c%lld", i == 0 ? '{' : ',', (long long)ids[i]);
	buf_add_char(&b, '}');
	return request_strdup(r, b.data);
}

const char *input_number(struct request *r, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	return request_strdup(r, text);
}

bool input_idempotency_key(struct request *r, const char **ret)
{
	const char *key = request_header(r, "Idempotency-Key");
	size_t len = key ? strlen(key) : 0;

	*ret = key;
	if (key == NULL)
		return true;
	for (size_t i = 0; i < len; i++)
		if (key[i] < 0x21 || key[i] > 0x7e)
			len = 0;
	if (len == 0 || len > KEY_MAX)
		return refuse(r, "invalid_input", "Idempotency-Key",
			      "must be 1 to 128 printable ASCII characters");
	return true;
}
