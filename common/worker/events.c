#include "events.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define MAX_KEPT       512
#define MAX_KEPT_BYTES (4 * 1024 * 1024)

struct kept_event {
	STAILQ_ENTRY(kept_event) link;
	size_t len;
	char text[];
};

void events_init(struct events *e)
{
	*e = (struct events){ .kept_count = 0 };
	STAILQ_INIT(&e->kept);
}

/* ---- handlers ---- */

static struct handler *find(const struct events *e, const char *method)
{
	for (size_t i = 0; i < EVENTS_MAX_HANDLERS; i++) {
		const struct handler *h = &e->handlers[i];

		if (method == NULL ? h->method == NULL
				   : h->method != NULL && strcmp(h->method, method) == 0)
			return (struct handler *)h;
	}
	return NULL;
}

static void empty(struct handler *h)
{
	struct handler old = *h;

	*h = (struct handler){ .method = NULL };
	if (old.done != NULL)
		old.done(old.arg);
}

void events_handle(struct events *e, const struct handler *h)
{
	struct handler *place = find(e, h->method);

	if (place != NULL)
		empty(place);
	if (h->fn == NULL)
		return;
	place = find(e, NULL);
	assert(place != NULL);
	*place = *h;
}

void *events_handler_arg(const struct events *e, const char *method)
{
	const struct handler *h = find(e, method);

	return h ? h->arg : NULL;
}

static int tell(const struct handler *h, struct lease *l, const struct cdpmsg *m, size_t len,
		bool whole, struct error *err)
{
	json_t *root = json_loadb(m->text, len, 0, NULL);
	int r = h->fn(l, whole ? root : json_object_get(root, "params"), h->arg, err);

	json_decref(root);
	return r;
}

int events_tell(struct events *e, const char *method, struct lease *l, const struct cdpmsg *m,
		size_t len, bool whole, struct error *err)
{
	const struct handler *h = find(e, method);

	return h ? tell(h, l, m, len, whole, err) : 0;
}

int events_tell_event(struct events *e, struct lease *l, const struct cdpmsg *m, size_t len,
		      struct error *err)
{
	if (m->session.len > 0)
		return 0;
	for (size_t i = 0; i < EVENTS_MAX_HANDLERS; i++) {
		const struct handler *h = &e->handlers[i];

		if (h->method != NULL && cdpmsg_method_is(m, h->method))
			return tell(h, l, m, len, false, err);
	}
	return 0;
}

/* ---- events that nobody has asked for yet ---- */

static void drop_first(struct events *e)
{
	struct kept_event *event = STAILQ_FIRST(&e->kept);

	STAILQ_REMOVE_HEAD(&e->kept, link);
	e->kept_count--;
	e->kept_bytes -= event->len;
	free(event);
}

void events_drop(struct events *e)
{
	while (e->kept_count > 0)
		drop_first(e);
}

void events_done(struct events *e)
{
	for (size_t i = 0; i < EVENTS_MAX_HANDLERS; i++)
		empty(&e->handlers[i]);
	events_drop(e);
}

void events_keep(struct events *e, const char *text, size_t len)
{
	struct kept_event *event = mem_zalloc(sizeof(*event) + len);

	event->len = len;
	memcpy(event->text, text, len);
	STAILQ_INSERT_TAIL(&e->kept, event, link);
	e->kept_count++;
	e->kept_bytes += len;
	while (e->kept_count > MAX_KEPT || (e->kept_bytes > MAX_KEPT_BYTES && e->kept_count > 1))
		drop_first(e);
}

json_t *events_params(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	json_t *params = json_incref(json_object_get(root, "params"));

	json_decref(root);
	return params;
}

bool events_take(struct events *e, const char *method, json_t **ret)
{
	bool found = false;

	while (!found && e->kept_count > 0) {
		struct kept_event *event = STAILQ_FIRST(&e->kept);
		struct cdpmsg m;

		found = cdpmsg_scan(event->text, event->len, &m, NULL) == 0 &&
			cdpmsg_method_is(&m, method);
		if (found && ret != NULL)
			*ret = events_params(event->text, event->len);
		drop_first(e);
	}
	return found;
}
