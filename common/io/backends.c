#include "backends.h"

#include <stddef.h>

#include "pg.h"
#include "redis.h"
#include "vault.h"

int backends_check(const struct settings *s, struct error *err)
{
	struct vault *vault = NULL;
	struct redis *redis = NULL;
	struct pg *pg = NULL;
	int r = vault_open(s, &vault, err);

	if (r == 0)
		r = pg_new(s, "pensum-check", &pg, err);
	if (r == 0)
		r = redis_new(s, &redis, err);
	vault_free(vault);
	redis_free(redis);
	pg_free(pg);
	return r;
}
