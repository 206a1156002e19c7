#include "poolmsg.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const char *const class_names[POOL_CLASS_COUNT] = { "interactive", "check", "document" };
static const char *const mode_names[POOL_MODE_COUNT] = { "page", "browser" };
static const char *const op_names[POOL_OP_COUNT] = {
	[POOL_OP_LEASE] = "lease",   [POOL_OP_STATUS] = "status", [POOL_OP_PAUSE] = "pause",
	[POOL_OP_RESUME] = "resume", [POOL_OP_KILL] = "kill",	  [POOL_OP_RECYCLE] = "recycle",
	[POOL_OP_DRAIN] = "drain",
};
static const char *const reason_names[POOL_REASON_COUNT] = {
	[POOL_REASON_CLIENT_GONE] = "client_gone",
	[POOL_REASON_CLOSED] = "closed",
	[POOL_REASON_EXPIRED] = "expired",
	[POOL_REASON_BROWSER_GONE] = "browser_gone",
	[POOL_REASON_PAGE_CRASHED] = "page_crashed",
	[POOL_REASON_PAGE_OOM] = "page_oom",
	[POOL_REASON_SETUP_FAILED] = "setup_failed",
	[POOL_REASON_SLOW_CONSUMER] = "slow_consumer",
	[POOL_REASON_FLOOD] = "flood",
	[POOL_REASON_TOO_LARGE] = "too_large",
	[POOL_REASON_BAD_MESSAGE] = "bad_message",
	[POOL_REASON_QUEUE_FULL] = "queue_full",
	[POOL_REASON_CLIENT_FULL] = "client_full",
	[POOL_REASON_WAIT_OVER] = "wait_over",
	[POOL_REASON_NO_BROWSER] = "no_browser",
	[POOL_REASON_MEMORY] = "memory",
	[POOL_REASON_KILLED] = "killed",
	[POOL_REASON_RECYCLED] = "recycled",
	[POOL_REASON_SHUTTING_DOWN] = "shutting_down",
};

static int find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *pool_op_name(enum pool_op op)
{
	return op_names[op];
}

const char *pool_class_name(enum pool_class cls)
{
	return class_names[cls];
}

int pool_class_parse(const char *name)
{
	return find_name(class_names, POOL_CLASS_COUNT, name);
}

const char *pool_reason_name(enum pool_reason reason)
{
	return reason_names[reason];
}

int pool_reason_parse(const char *name)
{
	return find_name(reason_names, POOL_REASON_COUNT, name);
}

static int parse_ms(json_t *root, const char *name, int64_t *ret, struct error *err)
{
	json_t *value = json_object_get(root, name);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return error_set(err, -EBADMSG, "%s is not a number of milliseconds", name);
	*ret = json_integer_value(value);
	return 0;
}

/* A text that may stand in a log line as it is. */
static int parse_name(json_t *root, const char *member, char *ret, size_t size, struct error *err)
{
	json_t *value = json_object_get(root, member);
	const char *name = json_string_value(value);

	if (value == NULL)
		return 0;
	if (name == NULL || json_string_length(value) >= size)
		return error_set(err, -EBADMSG, "%s is not a text shorter than %zu bytes", member,
				 size);
	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
			return error_set(err, -EBADMSG, "%s holds more than printable ASCII",
					 member);
	snprintf(ret, size, "%s", name);
	return 0;
}

static int parse_mode(json_t *root, enum pool_mode *ret, struct error *err)
{
	json_t *value = json_object_get(root, "mode");
	const char *name = json_string_value(value);
	int mode = name ? find_name(mode_names, POOL_MODE_COUNT, name) : -1;

	if (value == NULL)
		return 0;
	if (mode < 0)
		return error_set(err, -EBADMSG, "mode is not page or browser");
	*ret = (enum pool_mode)mode;
	return 0;
}

static int parse_hidden(json_t *root, bool *ret, struct error *err)
{
	json_t *value = json_object_get(root, "hidden");

	if (value != NULL && !json_is_boolean(value))
		return error_set(err, -EBADMSG, "hidden is not true or false");
	*ret = json_is_true(value);
	return 0;
}

static int parse_lease(json_t *root, struct pool_request *req, struct error *err)
{
	const char *name = json_string_value(json_object_get(root, "class"));
	int cls = name ? pool_class_parse(name) : -1;
	int r;

	if (cls < 0)
		return error_set(err, -EBADMSG, "class is not interactive, check or document");
	req->cls = (enum pool_class)cls;
	r = parse_mode(root, &req->mode, err);
	if (r == 0)
		r = parse_ms(root, "wait_ms", &req->wait_ms, err);
	if (r == 0)
		r = parse_ms(root, "ttl_ms", &req->ttl_ms, err);
	if (r == 0)
		r = parse_ms(root, "idle_ms", &req->idle_ms, err);
	if (r == 0)
		r = parse_name(root, "tag", req->tag, sizeof(req->tag), err);
	if (r == 0)
		r = parse_name(root, "client", req->client, sizeof(req->client), err);
	if (r == 0)
		r = parse_name(root, "key", req->key, sizeof(req->key), err);
	if (r == 0)
		r = parse_hidden(root, &req->hidden, err);
	if (r == 0 && req->mode == POOL_MODE_BROWSER && req->key[0] != '\0')
		r = error_set(err, -EBADMSG, "a key is for pages: in browser mode none is kept");
	if (r == 0 && req->mode == POOL_MODE_BROWSER && req->hidden)
		r = error_set(err, -EBADMSG, "hidden is for pages: in browser mode all are drawn");
	return r;
}

static int parse_kill(json_t *root, struct pool_request *req, struct error *err)
{
	json_t *lease = json_object_get(root, "lease");

	if (!json_is_integer(lease) || json_integer_value(lease) < 0)
		return error_set(err, -EBADMSG, "lease is not a lease's number");
	req->lease = json_integer_value(lease);
	return 0;
}

static int parse_root(json_t *root, struct pool_request *ret, struct error *err)
{
	const char *name = json_string_value(json_object_get(root, "op"));
	int op = name ? find_name(op_names, POOL_OP_COUNT, name) : -1;
	struct pool_request req = { 0 };
	int r = 0;

	if (op < 0)
		return error_set(err, -EBADMSG,
				 "op is not lease, status, pause, resume, kill, recycle or drain");
	req.op = (enum pool_op)op;
	if (req.op == POOL_OP_LEASE)
		r = parse_lease(root, &req, err);
	else if (req.op == POOL_OP_KILL)
		r = parse_kill(root, &req, err);
	if (r == 0)
		*ret = req;
	return r;
}

int pool_request_parse(const char *text, size_t len, struct pool_request *ret, struct error *err)
{
	json_error_t bad;
	json_t *root;
	int r;

	if (len > POOL_MAX_REQUEST)
		return error_set(err, -EBADMSG, "a request has at most %d bytes", POOL_MAX_REQUEST);
	if (!text_is_utf8(text, len))
		return error_set(err, -EBADMSG, "the request is not UTF-8");
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &bad);
	if (!json_is_object(root))
		r = error_set(err, -EBADMSG, "the request is not a JSON object");
	else
		r = parse_root(root, ret, err);
	json_decref(root);
	return r;
}

json_t *pool_request_format(const struct pool_request *req)
{
	const char *op = op_names[req->op];
	json_t *root;

	if (req->op == POOL_OP_KILL)
		return json_pack("{ss sI}", "op", op, "lease", (json_int_t)req->lease);
	if (req->op != POOL_OP_LEASE)
		return json_pack("{ss}", "op", op);
	root = json_pack("{ss ss sI sI ss}", "op", op, "class", class_names[req->cls], "wait_ms",
			 (json_int_t)req->wait_ms, "ttl_ms", (json_int_t)req->ttl_ms, "tag",
			 req->tag);
	if (req->client[0] != '\0')
		json_object_set_new(root, "client", json_string(req->client));
	if (req->mode != POOL_MODE_PAGE)
		json_object_set_new(root, "mode", json_string(mode_names[req->mode]));
	if (req->hidden)
		json_object_set_new(root, "hidden", json_true());
	if (req->key[0] != '\0') {
		json_object_set_new(root, "key", json_string(req->key));
		json_object_set_new(root, "idle_ms", json_integer(req->idle_ms));
	}
	return root;
}
