#include "backlog.h"

#include "browser.h"
#include "clock.h"
#include "frames.h"
#include "health.h"
#include "mem.h"
#include "pool_lease.h"

#define KIB		   1024
#define MIB		   (1024 * KIB)
#define SPAN_MS		   5000
#define GROWN_BYTES	   (32 * MIB) /* with … */
#define LATE_MS		   200
#define LITTLE_GROWN_BYTES (16 * MIB) /* or with … */
#define VERY_LATE_MS	   1000
#define SAID_BYTES	   (512 * KIB) /* less is no proof */

static void note_memory(struct backlog *l, int64_t bytes, int64_t now)
{
	if (l->low_since_ms == 0 || now - l->low_since_ms >= SPAN_MS) {
		l->low_before = l->low_since_ms == 0 ? bytes : l->low_bytes;
		l->low_bytes = bytes;
		l->low_since_ms = now;
	}
	l->low_bytes = MIN(l->low_bytes, bytes);
}

/* The first look after a ping was sent. */
static void begin(struct browser *b)
{
	struct context *c;

	b->backlog.ping_ms = health_ping_ms(b->health);
	b->backlog.read_bytes = frames_read_bytes(b->pipe);
	TAILQ_FOREACH (c, &b->contexts[CONTEXT_LENT], link)
		outflow_mark(&c->lease->outflow);
}

static struct context *loudest(struct browser *b)
{
	uint64_t arrived = frames_read_bytes(b->pipe) - b->backlog.read_bytes;
	struct context *c;

	TAILQ_FOREACH (c, &b->contexts[CONTEXT_LENT], link) {
		uint64_t said = outflow_since_mark(&c->lease->outflow);

		if (said >= SAID_BYTES && said > arrived / 2)
			return c;
	}
	return NULL;
}

struct context *backlog_look(struct browser *b, int64_t own_bytes)
{
	struct backlog *l = &b->backlog;
	int64_t now = clock_now_ms(), late_ms, grown_bytes;

	note_memory(l, own_bytes, now);
	grown_bytes = own_bytes - MIN(l->low_bytes, l->low_before);
	if (grown_bytes >= LITTLE_GROWN_BYTES)
		health_ping_now(b->health);
	if (health_ping_ms(b->health) != l->ping_ms)
		begin(b);
	late_ms = l->ping_ms != 0 ? now - l->ping_ms : 0;
	if ((late_ms >= LATE_MS && grown_bytes >= GROWN_BYTES) ||
	    (late_ms >= VERY_LATE_MS && grown_bytes >= LITTLE_GROWN_BYTES))
		return loudest(b);
	return NULL;
}
