#include "redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "buf.h"
#include "file.h"
#include "mem.h"
#include "text.h"

#define CONNECT_MS   1000
#define RECONNECT_MS 1000
#define HUNG_MS	     3000 /* left alone after it did not answer in time */
#define MAX_ARGS     64
#define POSTED_MAX   16
#define POSTED_MS    1000

struct redis {
	struct redis_target target;
	redisContext *ctx;
	struct deadline next_try;
	struct error lost; /* why there is no connection, while next_try is ahead */
	unsigned generation;
	unsigned posted; /* commands whose answers are still to be dropped */
	int timeout_ms;	 /* of the socket */
};

static int parse_address(const char *address, char **host_or_path, int *port, struct error *err)
{
	const char *colon = strrchr(address, ':');
	int64_t number;

	if (text_starts_with(address, "unix:")) {
		*host_or_path = mem_strdup(address + 5);
		*port = 0;
		return 0;
	}
	if (colon == NULL || text_parse_i64(colon + 1, 1, 65535, &number, NULL) < 0)
		return error_set(err, -EINVAL,
				 "redis.address = \"%s\": expected unix:/path or address:port",
				 address);
	*host_or_path = mem_strndup(address, (size_t)(colon - address));
	*port = (int)number;
	return 0;
}

int redis_target_read(const struct settings *s, struct redis_target *t, struct error *err)
{
	CLEANUP(buf_wipe) struct buf password = BUF_INIT;
	int e = file_read_secret("pensum-redis", s->redis_password_file, &password, err);

	*t = (struct redis_target){ 0 };
	if (e < 0 && (e != -ENOENT || s->redis_password_file[0] != '\0'))
		return e;
	e = parse_address(s->redis_address, &t->host_or_path, &t->port, err);
	if (e == 0 && password.len > 0)
		t->password = mem_strdup(password.data);
	return e;
}

void redis_target_done(struct redis_target *t)
{
	free(t->host_or_path);
	if (t->password != NULL)
		mem_wipe(t->password, strlen(t->password));
	free(t->password);
	*t = (struct redis_target){ 0 };
}

int redis_new(const struct settings *s, struct redis **ret, struct error *err)
{
	struct redis_target target;
	int e = redis_target_read(s, &target, err);

	if (e < 0)
		return e;
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->target = target;
	return 0;
}

static void drop(struct redis *r)
{
	if (r->ctx != NULL)
		redisFree(r->ctx);
	r->ctx = NULL;
	r->posted = 0;
}

void redis_disconnect(struct redis *r)
{
	if (r->ctx != NULL)
		r->next_try = deadline_in(0); /* it was there */
	drop(r);
}

void redis_free(struct redis *r)
{
	if (r == NULL)
		return;
	drop(r);
	redis_target_done(&r->target);
	free(r);
}

unsigned redis_generation(const struct redis *r)
{
	return r->generation;
}

static struct timeval timeval_of(int ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };
}

static int lost(struct redis *r, struct error *err)
{
	bool timed_out = r->ctx->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
	int e = timed_out ? -ETIMEDOUT : -EIO;

	error_set(&r->lost, e, "redis: %s: %s", r->target.host_or_path,
		  timed_out ? "no answer in time" : r->ctx->errstr);
	error_set(err, e, "%s", r->lost.text);
	if (timed_out)
		r->next_try = deadline_in(HUNG_MS);
	drop(r);
	return e;
}

static int authenticate(struct redis *r, struct error *err)
{
	redisReply *reply;
	bool ok;

	if (r->target.password == NULL)
		return 0;
	reply = redisCommand(r->ctx, "AUTH %s", r->target.password);
	if (reply == NULL)
		return lost(r, err);
	ok = reply->type != REDIS_REPLY_ERROR;
	freeReplyObject(reply);
	if (ok)
		return 0;
	drop(r);
	error_set(&r->lost, -EIO, "redis: the password was refused");
	return error_set(err, -EIO, "%s", r->lost.text);
}

static void set_timeout(struct redis *r, int ms)
{
	if (ms == r->timeout_ms)
		return;
	redisSetTimeout(r->ctx, timeval_of(ms));
	r->timeout_ms = ms;
}

static int connect_now(struct redis *r, struct error *err)
{
	struct timeval limit = timeval_of(CONNECT_MS);

	if (!deadline_is_over(r->next_try))
		return error_set(err, -EIO, "%s", r->lost.text);
	r->next_try = deadline_in(RECONNECT_MS);
	r->ctx = r->target.port
			 ? redisConnectWithTimeout(r->target.host_or_path, r->target.port, limit)
			 : redisConnectUnixWithTimeout(r->target.host_or_path, limit);
	if (r->ctx == NULL)
		return error_set(err, -EIO, "redis: no memory for a connection");
	if (r->ctx->err != 0)
		return lost(r, err);
	r->timeout_ms = 0;
	set_timeout(r, CONNECT_MS);
	if (r->target.port)
		redisEnableKeepAlive(r->ctx);
	r->generation++;
	return authenticate(r, err);
}

/* Into hiredis's buffer; nothing goes out yet. */
static int append(struct redis *r, size_t argc, const char *const *argv, struct error *err)
{
	const char *args[MAX_ARGS];
	size_t lens[MAX_ARGS];
	int e = r->ctx ? 0 : connect_now(r, err);

	if (e < 0)
		return e;
	if (argc > MAX_ARGS)
		return error_set(err, -E2BIG, "redis: too many arguments");
	for (size_t i = 0; i < argc; i++) {
		args[i] = argv[i];
		lens[i] = strlen(argv[i]);
	}
	return redisAppendCommandArgv(r->ctx, (int)argc, args, lens) == REDIS_OK ? 0
										  : lost(r, err);
}

static int next_reply(struct redis *r, redisReply **ret, struct error *err)
{
	errno = 0;
	return redisGetReply(r->ctx, (void **)ret) == REDIS_OK ? 0 : lost(r, err);
}

static int drop_posted(struct redis *r, struct error *err)
{
	while (r->posted > 0) {
		redisReply *reply = NULL;
		int e = next_reply(r, &reply, err);

		if (e < 0)
			return e;
		freeReplyObject(reply);
		r->posted--;
	}
	return 0;
}

int redis_settle(struct redis *r, int wait_ms, struct error *err)
{
	if (r->ctx == NULL || r->posted == 0)
		return 0;
	set_timeout(r, wait_ms);
	return drop_posted(r, err);
}

void redis_post(struct redis *r, size_t argc, const char *const *argv)
{
	if (append(r, argc, argv, NULL) == 0 && ++r->posted == POSTED_MAX)
		redis_settle(r, POSTED_MS, NULL);
}

void redis_send(struct redis *r)
{
	int all = 0;

	if (r->ctx == NULL || r->posted == 0)
		return;
	set_timeout(r, POSTED_MS);
	errno = 0;
	while (!all)
		if (redisBufferWrite(r->ctx, &all) != REDIS_OK) {
			lost(r, NULL);
			return;
		}
}

int redis_command(struct redis *r, int wait_ms, size_t argc, const char *const *argv,
		  struct redis_reply **ret, struct error *err)
{
	redisReply *reply = NULL;
	int e = append(r, argc, argv, err);

	if (e < 0)
		return e;
	set_timeout(r, wait_ms);
	e = drop_posted(r, err);
	if (e == 0)
		e = next_reply(r, &reply, err);
	if (e < 0)
		return e;
	if (reply->type == REDIS_REPLY_ERROR) {
		e = error_set(err, -EPROTO, "redis: %s", reply->str);
		freeReplyObject(reply);
		return e;
	}
	if (ret != NULL)
		*ret = (struct redis_reply *)reply;
	else
		freeReplyObject(reply);
	return 0;
}

int redis_call(struct redis *r, int wait_ms, struct redis_reply **ret, struct error *err, ...)
{
	const char *argv[MAX_ARGS];
	size_t argc = 0;
	const char *arg;
	va_list ap;

	va_start(ap, err);
	while ((arg = va_arg(ap, const char *)) != NULL && argc < MAX_ARGS)
		argv[argc++] = arg;
	va_end(ap);
	return redis_command(r, wait_ms, argc, argv, ret, err);
}

static const redisReply *real(const struct redis_reply *reply)
{
	return (const redisReply *)(const void *)reply;
}

void redis_reply_free(struct redis_reply *reply)
{
	if (reply != NULL)
		freeReplyObject(reply);
}

void redis_reply_cleanup(struct redis_reply **reply)
{
	redis_reply_free(*reply);
}

size_t redis_count(const struct redis_reply *reply)
{
	if (reply == NULL || real(reply)->type != REDIS_REPLY_ARRAY)
		return 0;
	return real(reply)->elements;
}

const struct redis_reply *redis_at(const struct redis_reply *reply, size_t i)
{
	if (i >= redis_count(reply))
		return NULL;
	return (const struct redis_reply *)(const void *)real(reply)->element[i];
}

const char *redis_text(const struct redis_reply *reply, size_t *len)
{
	if (reply == NULL ||
	    (real(reply)->type != REDIS_REPLY_STRING && real(reply)->type != REDIS_REPLY_STATUS))
		return NULL;
	if (len != NULL)
		*len = (size_t)real(reply)->len;
	return real(reply)->str;
}

long long redis_integer(const struct redis_reply *reply)
{
	if (reply == NULL || real(reply)->type != REDIS_REPLY_INTEGER)
		return 0;
	return real(reply)->integer;
}
