#include "lease_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define ANSWER_GRACE_MS 3000	      /* behind wait_ms; less than a slot may outstay its job's time */
#define LONGEST_WAIT_MS (3600 * 1000) /* what the pool's own patience can be */

static int take_refusal(json_t *root, struct error *err)
{
	const char *reason = json_string_value(json_object_get(root, "reason"));
	const char *message = json_string_value(json_object_get(root, "message"));
	bool ours = reason != NULL && pool_reason_parse(reason) == POOL_REASON_BAD_MESSAGE;

	return error_set(err, ours ? -EINVAL : -EBUSY, "pool: refused: %s: %s",
			 reason ? reason : "no reason", message ? message : "");
}

/* 1: lent. 0: not yet. */
static int take_pool_word(bool *sticky, const char *text, size_t len, struct error *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *type = json_string_value(json_object_get(root, "type"));
	int r = 0;

	if (type == NULL)
		r = error_set(err, -EBADMSG, "pool: not an answer to a lease request");
	else if (strcmp(type, "leased") == 0)
		r = 1;
	else if (strcmp(type, "refused") == 0)
		r = take_refusal(root, err);
	*sticky = json_is_true(json_object_get(root, "sticky"));
	json_decref(root);
	return r;
}

int lease_ask(struct wire *wire, const struct lease_request *req, bool *sticky, struct error *err)
{
	struct pool_request words = { .op = POOL_OP_LEASE,
				      .cls = req->cls,
				      .wait_ms = MAX(req->wait_ms, 0),
				      .ttl_ms = MAX(req->ttl_ms, 0),
				      .idle_ms = MAX(req->idle_ms, 0),
				      .hidden = req->hidden };
	int64_t patience_ms = req->wait_ms > 0 ? req->wait_ms : LONGEST_WAIT_MS;
	struct deadline deadline = deadline_in(patience_ms + ANSWER_GRACE_MS);
	CLEANUP_FREE char *text = NULL;
	json_t *root;
	int r;

	/* A key that lost its end could be somebody else's. */
	if (req->key != NULL && strlen(req->key) >= sizeof(words.key))
		return error_set(err, -EINVAL, "lease: the key is too long");
	snprintf(words.tag, sizeof(words.tag), "%s", req->tag ? req->tag : "");
	snprintf(words.key, sizeof(words.key), "%s", req->key ? req->key : "");
	root = pool_request_format(&words);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	r = wire_send(wire, text, strlen(text), deadline, err);
	while (r == 0) {
		const char *word;
		size_t len;

		r = wire_read(wire, deadline, &word, &len, err);
		if (r == 0)
			r = take_pool_word(sticky, word, len, err);
	}
	return r < 0 ? r : 0;
}
