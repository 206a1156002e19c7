#include "api_limit.h"

#include "mem.h"
#include "vault.h"

static uint64_t mix(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return (hash ^ 0xff) * 0x100000001b3ULL;
}

uint64_t limit_key(const char *kind, const char *name)
{
	static uint64_t seed;

	while (seed == 0)
		vault_random(&seed, sizeof(seed));
	return mix(mix(seed, kind), name);
}

/* The key's cell, or the one to take over. */
static struct limit_cell *find_cell(struct limit_table *t, uint64_t key)
{
	struct limit_cell *row = t->cells[(key >> 32) % LIMIT_ROWS];
	struct limit_cell *oldest = row;

	for (int i = 0; i < LIMIT_WAYS; i++) {
		if (row[i].key == key)
			return &row[i];
		if (row[i].full_at_ms < oldest->full_at_ms)
			oldest = &row[i];
	}
	*oldest = (struct limit_cell){ .key = key };
	return oldest;
}

int64_t limit_take(struct limit_table *t, const struct limit *l, uint64_t key, int64_t now_ms)
{
	struct limit_cell *cell = find_cell(t, key);
	int64_t full_at = MAX(cell->full_at_ms, now_ms) + l->interval_ms;
	int64_t allowed_at = full_at - (int64_t)l->burst * l->interval_ms;

	if (allowed_at > now_ms)
		return allowed_at - now_ms;
	cell->full_at_ms = full_at;
	return 0;
}
