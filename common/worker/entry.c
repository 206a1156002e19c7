#include "entry.h"

#include <stdio.h>
#include <string.h>

static const char *field_of(const struct redis_reply *fields, const char *name)
{
	for (size_t i = 0; i + 1 < redis_count(fields); i += 2) {
		const char *key = redis_text(redis_at(fields, i), NULL);

		if (key != NULL && strcmp(key, name) == 0)
			return redis_text(redis_at(fields, i + 1), NULL);
	}
	return NULL;
}

bool entry_read(const struct redis_reply *stream, struct entry *out)
{
	const struct redis_reply *first = redis_at(redis_at(stream, 1), 0);
	const char *name = redis_text(redis_at(stream, 0), NULL);
	const char *id = redis_text(redis_at(first, 0), NULL);
	const char *job = field_of(redis_at(first, 1), "j");
	const char *attempt = field_of(redis_at(first, 1), "a");

	if (name == NULL || id == NULL || strlen(id) >= sizeof(out->id))
		return false;
	memset(out, 0, sizeof(*out));
	snprintf(out->stream, sizeof(out->stream), "%s", name);
	snprintf(out->id, sizeof(out->id), "%s", id);
	if (job != NULL && attempt != NULL && id_is_valid(job) && strlen(attempt) <= 9 &&
	    strspn(attempt, "0123456789") == strlen(attempt) && attempt[0] != '\0') {
		snprintf(out->job, sizeof(out->job), "%s", job);
		snprintf(out->attempt, sizeof(out->attempt), "%s", attempt);
	}
	return true;
}
