#include "rate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_limit.h"
#include "clock.h"
#include "http_internal.h"
#include "keys.h"
#include "mem.h"
#include "text.h"

/*
 * KEYS: one for each ask; ARGV: its interval (us) and burst. 0: all are counted; else the us until
 * the first that refuses lets one through, and none is counted. No key can be further away than a whole
 * burst, unless Redis's clock was put back: then it is set to that, from which the time takes it.
 */
static const char script[] =
	"local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] local at = {} "
	"for i, key in ipairs(KEYS) do "
	"local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]) "
	"local free = tonumber(redis.call('GET', key) or 0) or 0 "
	"if free < now then free = now end "
	"if free > now + interval * burst then free = now + interval * burst "
	"redis.call('SET', key, string.format('%.0f', free), 'PX', "
	"math.ceil((free - now) / 1000) + 1) end "
	"free = free + interval "
	"local wait = free - interval * burst - now "
	"if wait > 0 then return wait end at[i] = free end "
	"for i, key in ipairs(KEYS) do redis.call('SET', key, string.format('%.0f', at[i]), "
	"'PX', math.ceil((at[i] - now) / 1000) + 1) end return 0";

static const char *const names[RATE_KIND_COUNT] = {
	[RATE_SIGNIN_USER] = "signin", [RATE_SIGNIN_ADDRESS] = "signin-from",
	[RATE_WRITE_USER] = "write",   [RATE_WRITE_ADDRESS] = "write-from",
	[RATE_READ_USER] = "read",     [RATE_READ_ADDRESS] = "read-from",
	[RATE_SIGNOUT_ADDRESS] = "signout-from",
};

struct taking {
	struct gateway *g;
	struct rate_ask asks[RATE_ASKS_MAX];
	char who[RATE_ASKS_MAX][RATE_ADDRESS_SIZE];
	size_t count;
	rate_fn *fn;
	void *arg;
};

/* 0: no limit. */
static int64_t per_minute(const struct settings *s, enum rate_kind kind)
{
	switch (kind) {
	case RATE_SIGNIN_USER:
		return s->limits_signins_per_user;
	case RATE_SIGNIN_ADDRESS:
		return s->limits_signins_per_address;
	case RATE_WRITE_USER:
		return s->limits_writes_per_user;
	case RATE_WRITE_ADDRESS:
		return s->limits_writes_per_address;
	case RATE_READ_USER:
		return s->limits_reads_per_user;
	case RATE_READ_ADDRESS:
	case RATE_SIGNOUT_ADDRESS:
		return s->limits_reads_per_address;
	case RATE_KIND_COUNT:
		break;
	}
	abort();
}

int64_t rate_take_here(struct gateway *g, const struct rate_ask *ask)
{
	static struct limit_table table;
	int64_t share = per_minute(g->settings, ask->kind);
	struct limit limit;

	if (share == 0)
		return 0;
	share = MAX(1, share / g->settings->limits_gateways);
	limit = (struct limit){ .burst = (int)share, .interval_ms = (int)MAX(1, 60000 / share) };
	return limit_take(&table, &limit, limit_key(names[ask->kind], ask->who), clock_now_ms());
}

static int64_t take_here(struct gateway *g, const struct rate_ask *asks, size_t count)
{
	int64_t wait = 0;

	for (size_t i = 0; i < count && wait == 0; i++)
		wait = rate_take_here(g, &asks[i]);
	return wait;
}

static void answered(const struct redis_reply *reply, void *arg)
{
	struct taking *t = arg;
	bool is_lost = reply == NULL || redis_error_text(reply) != NULL;

	t->fn(is_lost ? take_here(t->g, t->asks, t->count) : (redis_integer(reply) + 999) / 1000,
	      t->arg);
	free(t);
}

static struct taking *taking_new(struct gateway *g, const struct rate_ask *asks, size_t count,
				 rate_fn *fn, void *arg)
{
	struct taking *t = mem_zalloc(sizeof(*t));

	*t = (struct taking){ .g = g, .fn = fn, .arg = arg };
	for (size_t i = 0; i < count && i < RATE_ASKS_MAX; i++) {
		if (per_minute(g->settings, asks[i].kind) == 0)
			continue;
		snprintf(t->who[t->count], RATE_ADDRESS_SIZE, "%s", asks[i].who);
		t->asks[t->count] = (struct rate_ask){ asks[i].kind, t->who[t->count] };
		t->count++;
	}
	return t;
}

static bool ask_redis(struct taking *t)
{
	char keys[RATE_ASKS_MAX][KEY_SIZE], numbers[2 * RATE_ASKS_MAX][24], count[24];
	const char *argv[3 + 3 * RATE_ASKS_MAX] = { "EVAL", script, count };
	size_t argc = 3;

	snprintf(count, sizeof(count), "%zu", t->count);
	for (size_t i = 0; i < t->count; i++) {
		key_limit(keys[i], names[t->asks[i].kind], t->asks[i].who);
		argv[argc++] = keys[i];
	}
	for (size_t i = 0; i < t->count; i++) {
		int64_t burst = per_minute(t->g->settings, t->asks[i].kind);

		snprintf(numbers[2 * i], 24, "%lld", (long long)(60000000 / burst));
		snprintf(numbers[2 * i + 1], 24, "%lld", (long long)burst);
		argv[argc++] = numbers[2 * i];
		argv[argc++] = numbers[2 * i + 1];
	}
	return redisloop_command(t->g->redis, 0, argc, argv, answered, t, NULL) == 0;
}

void rate_take(struct gateway *g, const struct rate_ask *asks, size_t count, rate_fn *fn, void *arg)
{
	struct taking *t = taking_new(g, asks, count, fn, arg);

	if (t->count > 0 && ask_redis(t))
		return;
	fn(take_here(g, t->asks, t->count), arg);
	free(t);
}

/* ---- addresses ---- */

/* Who listens on [::] sees IPv4 wrapped in IPv6. */
static bool is_loopback(const char *peer)
{
	return text_starts_with(peer, "127.") || text_starts_with(peer, "::ffff:127.") ||
	       strcmp(peer, "::1") == 0 || strcmp(peer, "local") == 0;
}

/* The last word of the last such header: what the nearest proxy wrote down itself. */
static const char *last_forwarded(const struct request *r, size_t *len)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(r->ev);
	const struct evkeyval *header;
	const char *last = NULL;

	TAILQ_FOREACH (header, headers, next)
		if (strcasecmp(header->key, "X-Forwarded-For") == 0)
			last = header->value;
	if (last == NULL)
		return NULL;
	if (strrchr(last, ',') != NULL)
		last = strrchr(last, ',') + 1;
	last += strspn(last, " \t");
	*len = strcspn(last, " \t");
	return last;
}

/* IPv6 by its first 64 bits; one that only wraps IPv4 as that. False: no address. */
bool rate_format_address(const char *text, char out[RATE_ADDRESS_SIZE])
{
	struct in6_addr six;
	struct in_addr four;
	char prefix[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, text, &four) == 1) {
		inet_ntop(AF_INET, &four, out, RATE_ADDRESS_SIZE);
		return true;
	}
	if (inet_pton(AF_INET6, text, &six) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six)) {
		inet_ntop(AF_INET, &six.s6_addr[12], out, RATE_ADDRESS_SIZE);
		return true;
	}
	memset(&six.s6_addr[8], 0, 8);
	inet_ntop(AF_INET6, &six, prefix, sizeof(prefix));
	snprintf(out, RATE_ADDRESS_SIZE, "%s/64", prefix);
	return true;
}

const char *rate_address(const struct request *r, char out[RATE_ADDRESS_SIZE])
{
	const char *peer = request_peer(r), *seen;
	char text[INET6_ADDRSTRLEN];
	size_t len = 0;

	if (r->g->settings->gateway_forwarded == FORWARDED_LOOPBACK && is_loopback(peer) &&
	    (seen = last_forwarded(r, &len)) != NULL && len < sizeof(text)) {
		memcpy(text, seen, len);
		text[len] = '\0';
		if (rate_format_address(text, out))
			return out;
	}
	if (!rate_format_address(peer, out))
		snprintf(out, RATE_ADDRESS_SIZE, "%s", peer);
	return out;
}
