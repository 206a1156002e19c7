#include "live_message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "mem.h"

static const struct live_refusal bad_message = {
	"bad_message", "Expected a JSON object with a \"type\"."
};
static const struct live_refusal bad_type = { "bad_type",
					      "This type of message is not known here." };
static const struct live_refusal bad_job = { "bad_job", "\"job\" must be a job's id." };
static const struct live_refusal bad_have = { "bad_have",
					      "\"have\" must be two whole numbers." };

static int parse_number(const json_t *json, int *ret)
{
	json_int_t number = json_integer_value(json);

	if (!json_is_integer(json) || number < -1 || number > INT_MAX)
		return -EBADMSG;
	*ret = (int)number;
	return 0;
}

/* "have":[k,n], or no "have" at all. */
static int parse_have(const json_t *have, struct job_version *ret)
{
	*ret = (struct job_version){ -1, -1 };
	if (have == NULL)
		return 0;
	if (json_array_size(have) != 2 || parse_number(json_array_get(have, 0), &ret->attempt) < 0)
		return -EBADMSG;
	return parse_number(json_array_get(have, 1), &ret->n);
}

static const struct live_refusal *parse_subscribe(const json_t *json, struct live_message *ret)
{
	const char *job = json_string_value(json_object_get(json, "job"));

	if (job == NULL || !id_is_valid(job))
		return &bad_job;
	memcpy(ret->job, job, sizeof(ret->job));
	return parse_have(json_object_get(json, "have"), &ret->have) < 0 ? &bad_have : NULL;
}

static const struct live_refusal *parse_ping(const json_t *json, struct live_message *ret)
{
	(void)json;
	(void)ret;
	return NULL;
}

/* The client's messages are one table. */
static const struct {
	const char *type;
	const struct live_refusal *(*parse)(const json_t *json, struct live_message *ret);
} types[] = {
	[LIVE_SUBSCRIBE] = { "subscribe", parse_subscribe },
	[LIVE_PING] = { "ping", parse_ping },
};

const struct live_refusal *live_message_parse(const char *text, size_t len,
					      struct live_message *ret)
{
	const struct live_refusal *refusal = &bad_type;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(json, "type"));

	*ret = (struct live_message){ .have = { -1, -1 } };
	if (type == NULL)
		refusal = &bad_message;
	for (size_t i = 0; type != NULL && i < ARRAY_LEN(types); i++) {
		if (strcmp(type, types[i].type) != 0)
			continue;
		ret->type = (enum live_message_type)i;
		refusal = types[i].parse(json, ret);
		break;
	}
	json_decref(json);
	return refusal;
}
