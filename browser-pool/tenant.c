#include "tenant.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

#define BUCKETS 256

struct tenants {
	LIST_HEAD(, tenant) buckets[BUCKETS];
};

struct tenants *tenants_new(void)
{
	return mem_zalloc(sizeof(struct tenants));
}

void tenants_free(struct tenants *all)
{
	free(all);
}

/* FNV-1a */
static unsigned bucket_of(const char *name)
{
	uint32_t hash = 2166136261;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619;
	return (hash ^ hash >> 16) % BUCKETS;
}

struct tenant *tenants_get(struct tenants *all, const char *name)
{
	unsigned bucket = bucket_of(name);
	struct tenant *t;

	LIST_FOREACH(t, &all->buckets[bucket], link)
	if (strcmp(t->name, name) == 0)
		break;
	if (t == NULL) {
		t = mem_zalloc(sizeof(*t));
		snprintf(t->name, sizeof(t->name), "%s", name);
		for (int cls = 0; cls < POOL_CLASS_COUNT; cls++) {
			t->lines[cls].tenant = t;
			t->lines[cls].cls = (enum pool_class)cls;
			TAILQ_INIT(&t->lines[cls].leases);
		}
		LIST_INSERT_HEAD(&all->buckets[bucket], t, link);
	}
	t->users++;
	return t;
}

void tenant_put(struct tenant *t)
{
	if (--t->users > 0)
		return;
	LIST_REMOVE(t, link);
	free(t);
}
