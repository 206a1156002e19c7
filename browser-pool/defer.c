#include "defer.h"

#include <sys/queue.h>

#include "mem.h"

struct defer_entry {
	STAILQ_ENTRY(defer_entry) link;
	void (*fn)(void *arg);
	void *arg;
};

struct defer {
	struct event *wake;
	STAILQ_HEAD(, defer_entry) entries;
};

static void run_all(struct defer *d)
{
	struct defer_entry *entry;

	while ((entry = STAILQ_FIRST(&d->entries)) != NULL) {
		STAILQ_REMOVE_HEAD(&d->entries, link);
		entry->fn(entry->arg);
		free(entry);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_all(arg);
}

struct defer *defer_new(struct event_base *base)
{
	struct defer *d = mem_zalloc(sizeof(*d));

	STAILQ_INIT(&d->entries);
	d->wake = event_new(base, -1, 0, on_wake, d);
	return d;
}

void defer_free(struct defer *d)
{
	if (d == NULL)
		return;
	run_all(d);
	event_free(d->wake);
	free(d);
}

void defer_call(struct defer *d, void (*fn)(void *arg), void *arg)
{
	struct defer_entry *entry = mem_zalloc(sizeof(*entry));

	entry->fn = fn;
	entry->arg = arg;
	STAILQ_INSERT_TAIL(&d->entries, entry, link);
	event_active(d->wake, 0, 0);
}
