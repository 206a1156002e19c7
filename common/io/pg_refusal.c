#include "pg_refusal.h"

#include <stddef.h>

#include "mem.h"
#include "text.h"

static bool is_one_of(const char *sqlstate, const char *const *some, size_t count)
{
	for (size_t i = 0; sqlstate != NULL && i < count; i++)
		if (text_starts_with(sqlstate, some[i]))
			return true;
	return false;
}

/* Out of resources, read-only; no right, and no such schema, table, column, function. */
#define OF_SERVER "53", "25006", "42501", "3F000", "42P01", "42703", "42883"

bool pg_refusal_is_passing(const char *sqlstate)
{
	static const char *const some[] = { OF_SERVER, "40", "55P03", "57" };

	return is_one_of(sqlstate, some, ARRAY_LEN(some));
}

bool pg_refusal_is_of_lock(const char *sqlstate)
{
	static const char *const some[] = { "40P01", "55P03" };

	return is_one_of(sqlstate, some, ARRAY_LEN(some));
}

bool pg_refusal_is_of_server(const char *sqlstate)
{
	static const char *const some[] = { OF_SERVER };

	return is_one_of(sqlstate, some, ARRAY_LEN(some));
}
