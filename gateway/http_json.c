/* http_json.c - a request's body as a JSON object, or the 4xx that says why not. */
#include <event2/buffer.h>

#include "http_internal.h"
#include "text.h"

#define MAX_DEPTH 16

/* jansson's own limit is 2048 levels of recursion; our deepest request has three. */
static bool is_too_deep(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!in_string && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (depth > MAX_DEPTH)
			return true;
	}
	return false;
}

json_t *request_json(struct request *r)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(r->ev);
	size_t len = evbuffer_get_length(input);
	const char *text = (const char *)evbuffer_pullup(input, -1);
	json_error_t why;
	json_t *json;

	if (r->body != NULL)
		return r->body;
	if (len == 0) {
		reply_problem(r, 400, "bad_json", "A JSON object is expected as the body.");
	} else if (!text_is_utf8(text, len)) {
		reply_problem(r, 400, "bad_utf8", "The body is not UTF-8.");
	} else if (is_too_deep(text, len)) {
		reply_problem(r, 400, "bad_json", "The body is nested too deeply.");
	} else if ((json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)) == NULL) {
		/* Only the place: jansson's sentence quotes the body, which may hold a password. */
		reply_problem(r, 400, "bad_json", "The body is not JSON (line %d, column %d).",
			      why.line, why.column);
	} else if (!json_is_object(json)) {
		json_decref(json);
		reply_problem(r, 400, "bad_json", "The body must be a JSON object.");
	} else {
		r->body = json;
		return json;
	}
	return NULL;
}
