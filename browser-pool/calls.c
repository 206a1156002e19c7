#include "calls.h"

#include <limits.h>
#include <sys/queue.h>

#include "mem.h"

#define BUCKETS 256

struct entry {
	LIST_ENTRY(entry) link;
	int64_t id;
	struct call call;
};

LIST_HEAD(entry_list, entry);

struct calls {
	int64_t last_id;
	struct entry_list buckets[BUCKETS];
};

static struct entry_list *bucket_of(struct calls *calls, int64_t id)
{
	return &calls->buckets[id % BUCKETS];
}

static void take_entry(struct entry *entry, struct call *ret)
{
	*ret = entry->call;
	LIST_REMOVE(entry, link);
	free(entry);
}

struct calls *calls_new(void)
{
	return mem_zalloc(sizeof(struct calls));
}

void calls_free(struct calls *calls)
{
	struct call call;

	if (calls == NULL)
		return;
	while (calls_take_any(calls, &call))
		;
	free(calls);
}

int64_t calls_add(struct calls *calls, const struct call *call)
{
	struct entry *entry = mem_zalloc(sizeof(*entry));

	/* Chromium counts calls in an int; after two thousand million, from the start again. */
	calls->last_id = calls->last_id == INT_MAX ? 1 : calls->last_id + 1;
	entry->id = calls->last_id;
	entry->call = *call;
	LIST_INSERT_HEAD(bucket_of(calls, entry->id), entry, link);
	return entry->id;
}

bool calls_take(struct calls *calls, int64_t id, struct call *ret)
{
	struct entry *entry;

	LIST_FOREACH(entry, bucket_of(calls, id), link)
	{
		if (entry->id == id) {
			take_entry(entry, ret);
			return true;
		}
	}
	return false;
}

/* The first of which both are so; NULL stands for any. */
static bool take_match(struct calls *calls, const struct context *owner,
		       const struct session *session, struct call *ret)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry;

		LIST_FOREACH(entry, &calls->buckets[i], link)
		{
			if ((owner == NULL || entry->call.owner == owner) &&
			    (session == NULL || entry->call.session == session)) {
				take_entry(entry, ret);
				return true;
			}
		}
	}
	return false;
}

bool calls_take_any(struct calls *calls, struct call *ret)
{
	return take_match(calls, NULL, NULL, ret);
}

bool calls_take_owner(struct calls *calls, const struct context *owner, struct call *ret)
{
	return take_match(calls, owner, NULL, ret);
}

bool calls_take_session(struct calls *calls, const struct session *session, struct call *ret)
{
	return take_match(calls, NULL, session, ret);
}

void calls_forget_arg(struct calls *calls, const void *arg)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry = LIST_FIRST(&calls->buckets[i]);

		while (entry != NULL) {
			struct entry *next = LIST_NEXT(entry, link);

			if (entry->call.arg == arg) {
				LIST_REMOVE(entry, link);
				free(entry);
			}
			entry = next;
		}
	}
}
