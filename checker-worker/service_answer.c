#include "service_answer.h"

static json_t *load_inner(const json_t *text)
{
	const char *inner = json_string_value(text);

	return inner ? json_loads(inner, JSON_DECODE_ANY, NULL) : NULL;
}

static json_t *open_exception(const json_t *text)
{
	json_t *value = load_inner(text), *code = json_object_get(value, "errorcode"), *opened;

	opened = json_pack("{s:s}", "errorcode",
			   json_is_string(code) ? json_string_value(code) : "unknown");
	json_decref(value);
	return opened;
}

static json_t *open_response(const json_t *response)
{
	json_t *data;

	if (json_is_true(json_object_get(response, "error")))
		return open_exception(json_object_get(response, "exception"));
	data = load_inner(json_object_get(response, "data"));
	return data ? json_pack("{s:o}", "data", data) : NULL;
}

static json_t *open_all(const json_t *responses, size_t most)
{
	json_t *list, *one;
	size_t i;

	if (!json_is_array(responses) || json_array_size(responses) > most)
		return NULL;
	list = json_array();
	json_array_foreach (responses, i, one) {
		if (json_array_append_new(list, open_response(one)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *service_answer_parse(const char *text, size_t len, size_t most)
{
	json_t *root = text ? json_loadb(text, len, 0, NULL) : NULL;
	json_t *code = json_object_get(root, "errorcode"), *answer;

	answer = json_is_string(code) ? json_pack("{s:O}", "errorcode", code)
				      : open_all(json_object_get(root, "responses"), most);
	json_decref(root);
	return answer;
}
