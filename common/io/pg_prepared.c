#include "pg_prepared.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

enum pg_prepared_how pg_prepared_how(const struct pg_prepared *p, const char *sql,
				     char name[PG_PREPARED_NAME])
{
	uint64_t hash = hash_text(sql);

	snprintf(name, PG_PREPARED_NAME, "p%016llx", (unsigned long long)hash);
	for (size_t i = 0; i < p->count; i++)
		if (p->hashes[i] == hash)
			return PG_SEND_EXECUTE;
	return p->off || p->count == PG_PREPARED_MAX ? PG_SEND_PLAIN : PG_SEND_PREPARE;
}

void pg_prepared_add(struct pg_prepared *p, const char *sql)
{
	p->hashes[p->count++] = hash_text(sql);
}

void pg_prepared_remove(struct pg_prepared *p, const char *sql)
{
	uint64_t hash = hash_text(sql);

	for (size_t i = 0; i < p->count; i++)
		if (p->hashes[i] == hash)
			p->hashes[i] = p->hashes[--p->count];
}

void pg_prepared_clear(struct pg_prepared *p)
{
	p->count = 0;
}

bool pg_prepared_is_refusal(const char *sqlstate)
{
	/* no such name; the name is taken; other columns than when it was prepared */
	static const char *const refusals[] = { "26000", "42P05", "0A000" };

	for (size_t i = 0; sqlstate != NULL && i < ARRAY_LEN(refusals); i++)
		if (strcmp(sqlstate, refusals[i]) == 0)
			return true;
	return false;
}
