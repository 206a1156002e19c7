#include "lock.h"

#include <stdio.h>

#include "api_call.h"
#include "mem.h"
#include "text.h"
#include "vault.h"

static const char release_script[] =
	"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end "
	"return 0";

/* An answer that got lost may have taken it: giving it back then is right in any case. */
static void answered(const struct redis_reply *reply, void *arg)
{
	struct lock *l = arg;
	bool is_lost = reply == NULL || redis_error_text(reply) != NULL;
	bool taken = is_lost || redis_text(reply, NULL) != NULL;

	if (!taken)
		l->token[0] = '\0';
	l->fn(taken, l->arg);
}

void lock_take(struct gateway *g, struct lock *l, const char *name, int64_t ttl_ms,
	       void (*fn)(bool taken, void *arg), void *arg)
{
	const char *argv[] = { "SET", l->key, l->token, "NX", "PX", NULL };
	unsigned char random[16];
	char ttl[24];

	vault_random(random, sizeof(random));
	text_hex(random, sizeof(random), l->token);
	key_lock(l->key, name);
	l->fn = fn;
	l->arg = arg;
	snprintf(ttl, sizeof(ttl), "%lld", (long long)ttl_ms);
	argv[5] = ttl;
	if (redisloop_command(g->redis, 0, ARRAY_LEN(argv), argv, answered, l, NULL) == 0)
		return;
	l->token[0] = '\0';
	fn(true, arg);
}

void lock_release(struct gateway *g, struct lock *l)
{
	if (l->token[0] != '\0')
		api_redis_send(g, "EVAL", release_script, "1", l->key, l->token, NULL);
	l->token[0] = '\0';
}
