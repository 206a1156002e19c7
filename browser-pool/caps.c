#include "caps.h"

#include "log.h"
#include "mem.h"
#include "settings.h"
#include "sysmem.h"

#define MIN_PAGE_MB	128 /* an ordinary one must fit */
#define PAGES_WORTH_ONE 8   /* as many keep two processors busy */

static const struct row {
	int64_t mib;
	int64_t browsers, pages, page_mb;
} rows[] = {
	{ 8192, 2, 32, 512 }, { 4096, 2, 24, 512 }, { 2048, 1, 16, 384 },
	{ 1024, 1, 8, 192 },  { 0, 1, 3, 128 },
};

static const struct row *row_for(int64_t memory_bytes)
{
	const struct row *row = rows;

	while (memory_bytes < (row->mib << 20) / 4 * 3)
		row++;
	return row;
}

void pool_caps_choose(struct pool_caps *l, const struct settings *s, int64_t memory_bytes)
{
	const struct row *row = row_for(MAX(memory_bytes, 0));

	l->browsers_automatic = s->pool_max_browsers == 0;
	l->pages_automatic = s->pool_max_pages == 0;
	l->page_mb_automatic = s->pool_page_memory_mb == 0;
	l->page_mb = l->page_mb_automatic ? row->page_mb : MAX(MIN_PAGE_MB, s->pool_page_memory_mb);
	l->pages = l->pages_automatic ? row->pages : s->pool_max_pages;
	l->browsers = l->browsers_automatic ? MAX(1, MIN(row->browsers, l->pages / PAGES_WORTH_ONE))
					    : s->pool_max_browsers;
}

/* Memory that cannot be measured is taken for little. */
void pool_caps_measure(struct pool_caps *l, const struct settings *s)
{
	struct sysmem memory = { .total_bytes = INT64_C(1) << 30 };
	struct error err;

	if (sysmem_read(&sysmem_paths, &memory, &err) < 0)
		log_warning("the memory is not known", "reason=\"%s\"", err.text);
	pool_caps_choose(l, s, memory.total_bytes);
	log_notice("caps", "browsers=%lld pages=%lld page_mb=%lld memory_mb=%lld",
		   (long long)l->browsers, (long long)l->pages, (long long)l->page_mb,
		   (long long)(memory.total_bytes >> 20));
}
