#include "live_queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "jobmsg.h"
#include "mem.h"

struct live_item {
	STAILQ_ENTRY(live_item) link;
	struct live_frame *frame;
	char job[ID_LEN + 1];
	bool replaceable;
};

void live_queue_init(struct live_queue *q)
{
	*q = (struct live_queue){ 0 };
	STAILQ_INIT(&q->items);
}

static struct live_item *find_replaceable(struct live_queue *q, const char *job)
{
	struct live_item *item;

	STAILQ_FOREACH(item, &q->items, link)
		if (item->replaceable && strcmp(item->job, job) == 0)
			return item;
	return NULL;
}

static void replace(struct live_queue *q, struct live_item *item, struct live_frame *frame,
		    bool replaceable)
{
	q->bytes = q->bytes - item->frame->len + frame->len;
	live_frame_unref(item->frame);
	item->frame = live_frame_ref(frame);
	item->replaceable = replaceable;
}

int live_queue_push(struct live_queue *q, struct live_frame *frame, const char *job,
		    bool replaceable)
{
	struct live_item *item = job == NULL ? NULL : find_replaceable(q, job);

	if (item != NULL) {
		replace(q, item, frame, replaceable);
		return 1;
	}
	if (q->count >= LIVE_QUEUE_FRAMES || q->bytes + frame->len > LIVE_QUEUE_BYTES)
		return -ENOBUFS;
	item = mem_zalloc(sizeof(*item));
	item->frame = live_frame_ref(frame);
	item->replaceable = replaceable && job != NULL;
	if (job != NULL)
		snprintf(item->job, sizeof(item->job), "%s", job);
	STAILQ_INSERT_TAIL(&q->items, item, link);
	q->count++;
	q->bytes += frame->len;
	return 0;
}

struct live_frame *live_queue_take(struct live_queue *q)
{
	struct live_item *item = STAILQ_FIRST(&q->items);
	struct live_frame *frame;

	if (item == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&q->items, link);
	frame = item->frame;
	q->count--;
	q->bytes -= frame->len;
	free(item);
	return frame;
}

void live_queue_done(struct live_queue *q)
{
	struct live_frame *frame;

	while ((frame = live_queue_take(q)) != NULL)
		live_frame_unref(frame);
}
