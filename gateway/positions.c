#include "positions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "mem.h"

#define FRESH_MS  2000
#define COST_PART 20 /* at most this part of the time is spent on reading */
#define QUERY_MS  4000

struct asker {
	STAILQ_ENTRY(asker) link;
	positions_fn *fn;
	void *arg;
};
STAILQ_HEAD(askers, asker);

struct known {
	char job[ID_LEN + 1];
	int place;
	int64_t eta_ms; /* at known_ms; -1: nobody can know yet */
};

struct positions {
	struct gateway *g;
	struct known *all; /* ordered by job */
	size_t count;
	int64_t fresh_until_ms; /* monotonic */
	int64_t asked_ms;
	int64_t known_ms; /* when what is in all was so */
	bool asking;
	struct askers askers;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->job, ((const struct known *)b)->job);
}

/* At most a year, in milliseconds. */
static int64_t number_of(const char *text)
{
	long long number = text != NULL ? strtoll(text, NULL, 10) : -1;

	return MAX(-1, MIN(number, 365LL * 86400 * 1000));
}

static void take_rows(struct positions *p, const struct pgloop_result *rows)
{
	free(p->all);
	p->known_ms = p->asked_ms;
	p->count = pgloop_rows(rows);
	p->all = p->count > 0 ? mem_zalloc_array(p->count, sizeof(*p->all)) : NULL;
	for (size_t i = 0; i < p->count; i++) {
		struct known *one = &p->all[i];

		memcpy(one->job, pgloop_value(rows, i, 0),
		       MIN(strlen(pgloop_value(rows, i, 0)), sizeof(one->job) - 1));
		one->place = (int)number_of(pgloop_value(rows, i, 1)); /* to 10000, see below */
		one->eta_ms = number_of(pgloop_value(rows, i, 2));
	}
	if (p->count > 1)
		qsort(p->all, p->count, sizeof(*p->all), compare);
}

static void answer_all(struct positions *p)
{
	struct askers askers = STAILQ_HEAD_INITIALIZER(askers);
	struct asker *a;

	STAILQ_CONCAT(&askers, &p->askers);
	while ((a = STAILQ_FIRST(&askers)) != NULL) {
		STAILQ_REMOVE_HEAD(&askers, link);
		a->fn(a->arg);
		free(a);
	}
}

/* While PostgreSQL is away nothing is known, rather than what was once. */
static void on_rows(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct positions *p = arg;
	int64_t now = clock_now_ms();

	(void)err; /* that PostgreSQL is away is said elsewhere */
	p->asking = false;
	p->fresh_until_ms = now + MAX(FRESH_MS, (now - p->asked_ms) * COST_PART);
	if (rows != NULL)
		take_rows(p, rows);
	else
		p->count = 0;
	answer_all(p);
}

void positions_ask(struct positions *p, positions_fn *fn, void *arg)
{
	static const char sql[] = "SELECT id, position, eta_ms FROM pensum.job_positions "
				  "WHERE position <= 10000";
	struct asker *a;

	if (clock_now_ms() < p->fresh_until_ms) {
		fn(arg);
		return;
	}
	if (!p->asking) {
		p->asked_ms = clock_now_ms();
		if (pgloop_query(p->g->pg, QUERY_MS, sql, 0, NULL, on_rows, p, NULL) < 0) {
			p->count = 0;
			fn(arg);
			return;
		}
		p->asking = true;
	}
	a = mem_zalloc(sizeof(*a));
	a->fn = fn;
	a->arg = arg;
	STAILQ_INSERT_TAIL(&p->askers, a, link);
}

/* What is read every few seconds is told in between, too, when it is that much nearer. */
static int eta_now_s(const struct positions *p, int64_t eta_ms)
{
	int64_t left_ms = eta_ms - (clock_now_ms() - p->known_ms);

	return eta_ms < 0 ? -1 : (int)MAX(1, (left_ms + 500) / 1000);
}

bool positions_find(const struct positions *p, const char *job, struct position *ret)
{
	struct known key = { .place = 0 };
	const struct known *found;

	if (p->count == 0 || strlen(job) >= sizeof(key.job))
		return false;
	memcpy(key.job, job, strlen(job));
	found = bsearch(&key, p->all, p->count, sizeof(*p->all), compare);
	if (found == NULL)
		return false;
	*ret = (struct position){ .place = found->place, .eta_s = eta_now_s(p, found->eta_ms) };
	return true;
}

struct positions *positions_new(struct gateway *g)
{
	struct positions *p = mem_zalloc(sizeof(*p));

	p->g = g;
	STAILQ_INIT(&p->askers);
	return p;
}

void positions_free(struct positions *p)
{
	if (p == NULL)
		return;
	free(p->all);
	free(p);
}
