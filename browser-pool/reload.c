#include "reload.h"

#include <string.h>

#include "log.h"
#include "mem.h"
#include "options.h"
#include "text.h"

static const char *const live[] = { "log.level",
				    "pool.max_browsers",
				    "pool.max_pages",
				    "pool.page_memory_mb",
				    "pool.max_waiting",
				    "pool.client_max_waiting",
				    "pool.client_max_pages",
				    "pool.wait_s",
				    "pool.lease_s",
				    "pool.idle_s",
				    "pool.min_available_mb",
				    "pool.max_pressure",
				    "pool.recycle_leases",
				    "pool.recycle_age_s",
				    "pool.recycle_growth_mb",
				    "pool.settle_s",
				    "pool.drain_s",
				    "pool.canary_s" };

static bool is_live(const struct setting *row)
{
	for (size_t i = 0; i < ARRAY_LEN(live); i++)
		if (strcmp(row->key, live[i]) == 0)
			return true;
	return false;
}

static bool is_text(const struct setting *row)
{
	return row->type == SETTING_TEXT || row->type == SETTING_URL ||
	       row->type == SETTING_ADDRESS;
}

static void *field(const struct setting *row, struct settings *s)
{
	return (char *)s + row->offset;
}

static bool is_same(const struct setting *row, struct settings *a, struct settings *b)
{
	if (is_text(row))
		return strcmp(*(char **)field(row, a), *(char **)field(row, b)) == 0;
	return *(int64_t *)field(row, a) == *(int64_t *)field(row, b);
}

static void take(const struct setting *row, struct settings *in_force, struct settings *fresh)
{
	int64_t *now = field(row, in_force), next = *(int64_t *)field(row, fresh);

	log_notice("setting changed", "key=%s from=%lld to=%lld", row->key, (long long)*now,
		   (long long)next);
	*now = next;
}

int reload_settings(struct settings *in_force, struct error *err)
{
	struct settings fresh;
	int r = options_reload(&fresh, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *row = &settings_table[i];

		if (is_same(row, in_force, &fresh))
			continue;
		if (is_live(row))
			take(row, in_force, &fresh);
		else if (text_starts_with(row->key, "pool."))
			log_warning("setting needs a restart", "key=%s", row->key);
	}
	settings_done(&fresh);
	return 0;
}
