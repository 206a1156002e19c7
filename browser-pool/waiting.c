#include "waiting.h"

#include <stdbool.h>
#include <sys/time.h>

#include "clock.h"
#include "mem.h"
#include "pool_lease.h"
#include "settings.h"
#include "tenant.h"

#define TELL_PAUSE_MS 200

static const int64_t head_start_ms[POOL_CLASS_COUNT] = {
	[POOL_INTERACTIVE] = 10000,
	[POOL_CHECK] = 5000,
	[POOL_DOCUMENT] = 0,
};

struct waiting {
	const struct settings *settings;
	struct pool_lease_list leases; /* all, in order of arrival */
	unsigned count, ready, class_count[POOL_CLASS_COUNT];
	struct tenant_ring rings[POOL_CLASS_COUNT]; /* each in order of since_ms */
	struct event *tell;
	struct deadline next_tell;
};

/* Telling */

static void tell_positions(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *w = arg;
	CLEANUP_FREE struct pool_lease **order = waiting_in_order(w);

	(void)fd;
	(void)what;
	w->next_tell = deadline_in(TELL_PAUSE_MS);
	for (unsigned i = 0; i < w->count; i++)
		pool_lease_tell_position(order[i], i + 1);
}

static void tell_soon(struct waiting *w)
{
	struct timeval pause = { 0, deadline_left_ms(w->next_tell) * 1000 };

	if (!event_pending(w->tell, EV_TIMEOUT, NULL))
		event_add(w->tell, &pause);
}

struct waiting *waiting_new(struct event_base *base, const struct settings *s)
{
	struct waiting *w = mem_zalloc(sizeof(*w));

	w->settings = s;
	TAILQ_INIT(&w->leases);
	for (int cls = 0; cls < POOL_CLASS_COUNT; cls++)
		TAILQ_INIT(&w->rings[cls]);
	w->tell = event_new(base, -1, 0, tell_positions, w);
	return w;
}

void waiting_free(struct waiting *w)
{
	event_free(w->tell);
	free(w);
}

/* Turns: every change of has_turns is made here, and a line always comes in at its ring's end,
 * which keeps the ring in order of since_ms. */

static bool may_have_turns(const struct waiting *w, const struct tenant_line *line)
{
	int64_t max = w->settings->pool_client_max_pages;

	return line->count > 0 && (max == 0 || line->tenant->held < max);
}

static void leave_ring(struct waiting *w, struct tenant_line *line)
{
	if (!line->has_turns)
		return;
	TAILQ_REMOVE(&w->rings[line->cls], line, link);
	line->has_turns = false;
	w->ready -= line->count;
}

static void join_ring(struct waiting *w, struct tenant_line *line)
{
	if (line->has_turns || !may_have_turns(w, line))
		return;
	line->since_ms = clock_now_ms();
	line->has_turns = true;
	w->ready += line->count;
	TAILQ_INSERT_TAIL(&w->rings[line->cls], line, link);
}

/* The tenant holds more pages or fewer, or may. */
static void review_turns(struct waiting *w, struct tenant *t)
{
	for (int cls = 0; cls < POOL_CLASS_COUNT; cls++) {
		if (may_have_turns(w, &t->lines[cls]))
			join_ring(w, &t->lines[cls]);
		else
			leave_ring(w, &t->lines[cls]);
	}
}

void waiting_add(struct waiting *w, struct pool_lease *l)
{
	struct tenant_line *line = &l->tenant->lines[l->request.cls];

	TAILQ_INSERT_TAIL(&w->leases, l, link);
	TAILQ_INSERT_TAIL(&line->leases, l, line_link);
	w->count++;
	w->class_count[line->cls]++;
	l->tenant->waiting++;
	line->count++;
	if (line->has_turns)
		w->ready++;
	else
		join_ring(w, line);
	tell_soon(w);
}

void waiting_remove(struct waiting *w, struct pool_lease *l)
{
	struct tenant_line *line = &l->tenant->lines[l->request.cls];

	TAILQ_REMOVE(&w->leases, l, link);
	TAILQ_REMOVE(&line->leases, l, line_link);
	w->count--;
	w->class_count[line->cls]--;
	l->tenant->waiting--;
	line->count--;
	if (line->has_turns)
		w->ready--;
	if (line->count == 0)
		leave_ring(w, line);
	tell_soon(w);
}

void waiting_lend(struct waiting *w, struct pool_lease *l)
{
	waiting_remove(w, l);
	l->tenant->held++;
	leave_ring(w, &l->tenant->lines[l->request.cls]); /* to its end, or out of it */
	review_turns(w, l->tenant);
}

void waiting_give_back(struct waiting *w, struct pool_lease *l)
{
	l->tenant->held--;
	review_turns(w, l->tenant);
	tell_soon(w);
}

void waiting_note_limits(struct waiting *w)
{
	struct pool_lease *l;

	TAILQ_FOREACH (l, &w->leases, link)
		review_turns(w, l->tenant);
	tell_soon(w);
}

/* Asking */

unsigned waiting_count(const struct waiting *w)
{
	return w->count;
}

unsigned waiting_count_class(const struct waiting *w, int cls)
{
	return w->class_count[cls];
}

unsigned waiting_count_ready(const struct waiting *w)
{
	return w->ready;
}

struct pool_lease *waiting_first(const struct waiting *w)
{
	const struct tenant_line *best = NULL;

	for (int cls = 0; cls < POOL_CLASS_COUNT; cls++) {
		const struct tenant_line *line = TAILQ_FIRST(&w->rings[cls]);

		if (line != NULL &&
		    (best == NULL || line->since_ms - head_start_ms[cls] <
					     best->since_ms - head_start_ms[best->cls]))
			best = line;
	}
	return best ? TAILQ_FIRST(&best->leases) : NULL;
}

struct pool_lease *waiting_oldest(const struct waiting *w)
{
	return TAILQ_FIRST(&w->leases);
}

struct pool_lease *waiting_youngest(const struct waiting *w)
{
	return TAILQ_LAST(&w->leases, pool_lease_list);
}

struct pool_lease *waiting_next(const struct pool_lease *l)
{
	return TAILQ_NEXT(l, link);
}

struct pool_lease *waiting_previous(const struct pool_lease *l)
{
	return TAILQ_PREV(l, pool_lease_list, link);
}

/* The order */

struct place {
	struct pool_lease *lease;
	int64_t since_ms; /* as it will be when its turn comes, head start taken off */
	unsigned round;	  /* leases of the same line before it */
	unsigned rank;	  /* the line's own, among those that are equal so far */
};

static int compare_places(const void *one, const void *two)
{
	const struct place *a = one, *b = two;

	if (a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms ? -1 : 1;
	if (a->round != b->round)
		return a->round < b->round ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* A line's second lease has its turn after the first got a page, which is not before now. */
static unsigned add_line(struct place *places, const struct tenant_line *line, int64_t now,
			 unsigned rank)
{
	struct pool_lease *l;
	unsigned n = 0;

	TAILQ_FOREACH (l, &line->leases, line_link) {
		int64_t since = n == 0 ? line->since_ms : now;

		places[n] = (struct place){ l, since - head_start_ms[line->cls], n, rank };
		n++;
	}
	return n;
}

struct pool_lease **waiting_in_order(const struct waiting *w)
{
	CLEANUP_FREE struct place *places = mem_zalloc_array(w->count + 1, sizeof(*places));
	struct pool_lease **order = mem_zalloc_array(w->count + 1, sizeof(struct pool_lease *));
	const struct tenant_line *line;
	unsigned n = 0, rank = 0;
	int64_t now = clock_now_ms();
	struct pool_lease *l;

	for (int cls = 0; cls < POOL_CLASS_COUNT; cls++)
		TAILQ_FOREACH (line, &w->rings[cls], link)
			n += add_line(places + n, line, now, rank++);
	TAILQ_FOREACH (l, &w->leases, link)
		if (!l->tenant->lines[l->request.cls].has_turns)
			places[n++] = (struct place){ l, INT64_MAX, 0, rank++ };
	qsort(places, n, sizeof(*places), compare_places);
	for (unsigned i = 0; i < n; i++)
		order[i] = places[i].lease;
	return order;
}
