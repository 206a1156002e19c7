#include "canary.h"

#include "clock.h"
#include "mem.h"
#include "pool.h"
#include "recycle.h"

void canary_note_made(struct browser *b, int64_t took_ms)
{
	struct canary *c = &b->canary;

	took_ms = MAX(took_ms, 1);
	if (c->begun_ms == 0)
		c->begun_ms = clock_now_ms();
	if (c->best_ms == 0 || took_ms < c->best_ms)
		c->best_ms = took_ms;
}

void canary_note_odd(struct browser *b)
{
	b->canary.odd = true;
	pool_wake(b->pool);
}

static void make_canary(struct browser *b)
{
	struct pool *p = b->pool;
	struct context *warm = TAILQ_FIRST(&b->contexts[CONTEXT_WARM]);

	if (!TAILQ_EMPTY(&b->contexts[CONTEXT_MAKING]))
		return;
	if (pool_context_count(p) < p->caps.pages) {
		if (!memory_admits(p->memory, MEMORY_PAGE))
			return;
		b->canary.odd = false;
		context_make_canary(b);
	} else if (warm != NULL && p->context_count[CONTEXT_DISPOSING] == 0) {
		context_dispose(warm);
	}
}

static void decide_for(struct browser *b)
{
	struct canary *c = &b->canary;
	int64_t now = clock_now_ms();
	bool over = c->begun_ms > 0 && now - c->begun_ms >= b->pool->settings->pool_canary_s * 1000;

	if (c->odd || (over && c->best_ms == 0)) {
		make_canary(b);
	} else if (over) {
		if (c->settled)
			recycle_note_latency(b, c->best_ms);
		c->settled = true;
		c->begun_ms = now;
		c->best_ms = 0;
	}
}

void canary_decide(struct pool *p)
{
	struct browser *b, *next;

	for (b = TAILQ_FIRST(&p->browsers[BROWSER_READY]); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		decide_for(b);
	}
}
