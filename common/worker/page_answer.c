#include "page_answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define EVENT	    "Network.responseReceived"
#define MAX_SAID    100 /* a date has 29 */
#define HTTP_BUSY   429
#define HTTP_CLOSED 503

/* Lives as the argument of the lease's handler. */
struct answer {
	bool heard;
	long status;
	char expires[MAX_SAID + 1];
	char retry_after[MAX_SAID + 1];
};

/* Their names are as the site spelled them. */
static const char *find_header(json_t *headers, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach (headers, key, value)
		if (strcasecmp(key, name) == 0 && json_is_string(value))
			return json_string_value(value);
	return "";
}

static int on_response(struct lease *l, json_t *params, void *arg, struct error *err)
{
	struct answer *a = arg;
	const char *type = json_string_value(json_object_get(params, "type"));
	json_t *response = json_object_get(params, "response");
	json_int_t status = json_integer_value(json_object_get(response, "status"));
	const char *said;

	(void)l;
	(void)err;
	if (a->heard || type == NULL || strcmp(type, "Document") != 0)
		return 1;
	a->heard = true;
	a->status = (long)status;
	said = find_header(json_object_get(response, "headers"), "Expires");
	snprintf(a->expires, sizeof(a->expires), "%s", said);
	said = find_header(json_object_get(response, "headers"), "Retry-After");
	if ((status == HTTP_BUSY || status == HTTP_CLOSED) && strlen(said) <= MAX_SAID)
		snprintf(a->retry_after, sizeof(a->retry_after), "%s", said);
	return 1;
}

void page_answer_expect(struct lease *l)
{
	lease_handle(l, EVENT, on_response, mem_zalloc(sizeof(struct answer)), free);
}

const char *page_retry_after(const struct lease *l)
{
	const struct answer *a = lease_handler_arg(l, EVENT);

	return a ? a->retry_after : "";
}

long page_status(const struct lease *l, const char **expires)
{
	const struct answer *a = lease_handler_arg(l, EVENT);

	*expires = a ? a->expires : "";
	return a ? a->status : 0;
}
