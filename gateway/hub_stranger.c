#include "hub_stranger.h"

#include <stdlib.h>

#include "buf.h"
#include "hub.h"
#include "mem.h"

#define STRANGERS_MAX 256 /* at one time; those beyond are found when the page is loaded again */
#define QUERY_MS      5000

struct strangers {
	struct gateway *g;
	struct event *ask; /* active: at the end of this turn */
	bool asking;
	size_t count;
	struct buf ids; /* "{id,id" */
};

static void on_owners(const struct pgloop_result *rows, const struct error *err, void *arg)
{
	struct strangers *s = arg;

	(void)err; /* that PostgreSQL is away is said elsewhere */
	s->asking = false;
	for (size_t i = 0; rows != NULL && i < pgloop_rows(rows); i++)
		hub_job_created(s->g->hub, pgloop_value(rows, i, 0), pgloop_value(rows, i, 1),
				pgloop_value(rows, i, 2));
	if (s->count > 0)
		event_active(s->ask, EV_TIMEOUT, 0);
}

static void on_ask(evutil_socket_t fd, short what, void *arg)
{
	static const char sql[] = "SELECT id, user_id, session_hash FROM pensum.jobs "
				  "WHERE id = ANY($1::text[])";
	struct strangers *s = arg;
	const char *param;

	(void)fd;
	(void)what;
	if (s->asking || s->count == 0)
		return;
	buf_add_char(&s->ids, '}');
	param = s->ids.data;
	s->asking = pgloop_query(s->g->pg, QUERY_MS, sql, 1, &param, on_owners, s, NULL) == 0;
	s->count = 0;
	buf_clear(&s->ids);
}

void strangers_look_at(struct strangers *s, const struct job_event *ev)
{
	bool begins = ev->version.attempt <= 1 && ev->version.n <= 1 &&
		      !job_state_is_terminal(ev->state);

	if (!begins || s->count == STRANGERS_MAX)
		return;
	buf_printf(&s->ids, "%c%s", s->count++ == 0 ? '{' : ',', ev->job);
	event_active(s->ask, EV_TIMEOUT, 0);
}

struct strangers *strangers_new(struct gateway *g)
{
	struct strangers *s = mem_zalloc(sizeof(*s));

	s->g = g;
	s->ids = (struct buf)BUF_INIT;
	s->ask = event_new(g->base, -1, 0, on_ask, s);
	return s;
}

void strangers_free(struct strangers *s)
{
	if (s == NULL)
		return;
	event_free(s->ask);
	buf_done(&s->ids);
	free(s);
}
