#include "hub.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feeder.h"
#include "hub_question.h"
#include "hub_stranger.h"
#include "hub_topic.h"
#include "live_feed.h"
#include "live_snapshot.h"
#include "log.h"
#include "mem.h"
#include "positions.h"

#define TICK_MS	      1000
#define REREAD_TICKS  10 /* seconds between two looks at PostgreSQL while the feed works */
#define SESSION_TICKS 20
#define PLACE_TICKS   2

struct hub {
	struct gateway *g;
	struct topics topics;
	struct live_feed *feed;
	struct strangers *strangers;
	struct event *tick;
	unsigned ticks;
	struct event *read; /* active: unread topics are read at the end of this turn */
	bool reading;
	bool logged_away;
	struct hub_client_list clients;
};

static void read_soon(struct hub *h)
{
	if (!h->reading)
		event_active(h->read, EV_TIMEOUT, 0);
}

/* Clients */

static bool owns(const struct hub_client *c, const struct topic *t)
{
	if (!c->session.active)
		return strcmp(t->job, c->session.signin_job) == 0;
	if (t->session_hash[0] != '\0')
		return strcmp(t->session_hash, c->session.token_hash) == 0;
	return strcmp(t->user_id, c->session.user_id) == 0;
}

size_t hub_client_count(const struct hub *h, const char *user_id)
{
	const struct hub_client *c;
	size_t count = 0;

	LIST_FOREACH(c, &h->clients, link)
		count += strcmp(c->session.user_id, user_id) == 0;
	return count;
}

struct hub_client *hub_join(struct hub *h, const struct session *s,
			    const struct hub_client_ops *ops, void *arg)
{
	struct hub_client *c = mem_zalloc(sizeof(*c));

	c->hub = h;
	c->g = h->g;
	c->session = *s;
	c->ops = ops;
	c->arg = arg;
	LIST_INIT(&c->subscriptions);
	LIST_INIT(&c->questions);
	LIST_INSERT_HEAD(&h->clients, c, link);
	return c;
}

void hub_leave(struct hub_client *c)
{
	struct subscription *s;

	while ((s = LIST_FIRST(&c->subscriptions)) != NULL)
		subscription_end(&c->hub->topics, s);
	questions_forget(c);
	LIST_REMOVE(c, link);
	mem_wipe(&c->session, sizeof(c->session));
	free(c);
}

const struct session *hub_client_session(const struct hub_client *c)
{
	return &c->session;
}

/* Sending */

static void send_gone(struct hub_client *c, const char *job)
{
	struct live_frame *frame =
		live_frame_new(json_pack("{s:s, s:s}", "type", "gone", "job", job));

	c->ops->send(c->arg, frame, NULL, false);
	live_frame_unref(frame);
}

/* What is newer than what s has; its first message is the snapshot. */
static void catch_up(struct subscription *s)
{
	struct topic *t = s->topic;
	struct hub_client *c = s->client;
	bool first = !s->greeted;
	bool ended = job_state_is_terminal(t->newest.state);

	s->greeted = true;
	if (job_version_compare(t->newest.version, s->sent) > 0) {
		s->sent = t->newest.version;
		c->ops->send(c->arg, topic_frame(t, first), t->job,
			     !first && t->newest.state == JOB_RUNNING);
	}
	if (ended && !c->session.active && t->newest.state == JOB_SUCCEEDED)
		question_session(c);
	if (ended)
		subscription_end(&c->hub->topics, s);
}

static void catch_up_all(struct topic *t)
{
	struct subscription *s, *next;

	for (s = LIST_FIRST(&t->subscriptions); s != NULL; s = next) {
		next = LIST_NEXT(s, in_topic); /* the last one's end frees t */
		catch_up(s);
	}
}

static void on_event(void *arg, const struct job_event *ev)
{
	struct hub *h = arg;
	struct topic *t = topic_find(&h->topics, ev->job);

	feeder_hear(h->g->feeder, ev);
	if (t == NULL && !LIST_EMPTY(&h->clients))
		strangers_look_at(h->strangers, ev);
	else if (t != NULL && topic_raise(t, ev) && t->state != TOPIC_UNKNOWN)
		catch_up_all(t);
}

/* Reading */

static void end_as_gone(struct hub *h, struct topic *t, bool all)
{
	struct subscription *s, *next;

	for (s = LIST_FIRST(&t->subscriptions); s != NULL; s = next) {
		next = LIST_NEXT(s, in_topic);
		if (all || !owns(s->client, t)) {
			send_gone(s->client, t->job);
			subscription_end(&h->topics, s);
		}
	}
}

static void apply(struct hub *h, const struct job_snapshot *snapshot)
{
	struct topic *t = topic_find(&h->topics, snapshot->ev.job);

	if (t == NULL || !topic_end_reading(&h->topics, t))
		return; /* nobody waits any more, or not for what was asked then */
	if (!snapshot->found) {
		end_as_gone(h, t, true);
		return;
	}
	snprintf(t->user_id, sizeof(t->user_id), "%s", snapshot->user_id);
	snprintf(t->session_hash, sizeof(t->session_hash), "%s", snapshot->session_hash);
	topic_raise(t, &snapshot->ev);
	t->state = TOPIC_KNOWN;
	if (t->subscription_count > 0)
		end_as_gone(h, t, false);
	t = topic_find(&h->topics, snapshot->ev.job);
	if (t != NULL)
		catch_up_all(t);
}

static void on_snapshots(bool ok, const struct job_snapshot *snapshots, size_t count, void *arg)
{
	struct hub *h = arg;

	h->reading = false;
	if (ok == h->logged_away) {
		h->logged_away = !ok;
		log_write(ok ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
			  ok ? "job snapshots are read again" : "job snapshots cannot be read",
			  "reason=\"%s\"", ok ? "" : pgloop_reason(h->g->pg));
	}
	for (size_t i = 0; i < count; i++) {
		struct topic *t = ok ? NULL : topic_find(&h->topics, snapshots[i].ev.job);

		if (ok)
			apply(h, &snapshots[i]);
		else if (t != NULL && topic_end_reading(&h->topics, t))
			topic_mark_unread(&h->topics, t); /* the tick tries again */
	}
	if (ok && !TAILQ_EMPTY(&h->topics.unread))
		read_soon(h);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	const char *ids[SNAPSHOT_MAX];
	struct hub *h = arg;
	struct topic *t;
	size_t count = 0;

	(void)fd;
	(void)what;
	if (h->reading)
		return;
	TAILQ_FOREACH(t, &h->topics.unread, unread_link) {
		if (count == SNAPSHOT_MAX)
			break;
		ids[count++] = t->job;
	}
	if (count == 0 || snapshot_read(h->g, ids, count, on_snapshots, h, NULL) < 0)
		return; /* the tick tries again */
	h->reading = true;
	for (size_t i = 0; i < count; i++)
		topic_mark_reading(&h->topics, topic_find(&h->topics, ids[i]));
}

/* Places in the queue: no new version, and a later one may take the place of one that still waits. */

static void place_one(struct topic *t, void *arg)
{
	struct hub *h = arg;
	struct position p = { .place = 0, .eta_s = -1 };
	bool known = positions_find(h->g->positions, t->job, &p);
	struct subscription *s;

	if (!topic_place(t, p.place, p.eta_s) || !known)
		return;
	LIST_FOREACH(s, &t->subscriptions, in_topic)
		if (s->greeted && job_version_compare(s->sent, t->newest.version) == 0)
			s->client->ops->send(s->client->arg, topic_frame(t, false), t->job, true);
}

static void on_places(void *arg)
{
	struct hub *h = arg;

	topics_each_queued(&h->topics, place_one, h);
}

static void on_gap(void *arg)
{
	struct hub *h = arg;

	topics_mark_all_unread(&h->topics);
	read_soon(h);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;
	bool blind = !live_feed_is_tailing(h->feed);
	struct hub_client *c;

	(void)fd;
	(void)what;
	h->ticks++;
	if (blind || h->ticks % REREAD_TICKS == 0)
		topics_mark_all_unread(&h->topics);
	if (h->ticks % PLACE_TICKS == 0 && topics_each_queued(&h->topics, NULL, NULL) > 0)
		positions_ask(h->g->positions, on_places, h);
	if (h->ticks % SESSION_TICKS == 0)
		question_sessions(h, h->g, &h->clients);
	if (!TAILQ_EMPTY(&h->topics.unread))
		read_soon(h);
	LIST_FOREACH(c, &h->clients, link)
		if (c->asks_again)
			hub_subscribe_own(c);
}

/* Subscribing */

static struct subscription *find_subscription(struct hub_client *c, const char *job_id)
{
	struct subscription *s;

	LIST_FOREACH(s, &c->subscriptions, in_client)
		if (strcmp(s->topic->job, job_id) == 0)
			return s;
	return NULL;
}

static void begin(struct hub *h, struct subscription *s)
{
	struct topic *t = s->topic;

	if (t->state == TOPIC_UNKNOWN) { /* registered; now the snapshot may be read */
		topic_mark_unread(&h->topics, t);
		read_soon(h);
	} else if (owns(s->client, t)) {
		catch_up(s); /* known, and the feed keeps it so */
	} else {
		send_gone(s->client, t->job);
		subscription_end(&h->topics, s);
	}
}

int hub_subscribe(struct hub_client *c, const char *job_id, struct job_version have)
{
	struct subscription *s = find_subscription(c, job_id);

	if (s != NULL) { /* asked while our snapshot was under way, or without need */
		if (job_version_compare(have, s->sent) > 0)
			s->sent = have;
		return 0;
	}
	if (c->subscription_count >= HUB_SUBSCRIPTIONS_MAX)
		return -ENOSPC;
	begin(c->hub, subscription_begin(&c->hub->topics, c, job_id, have));
	return 0;
}

void hub_subscribe_own(struct hub_client *c)
{
	static const struct job_version none = { -1, -1 };

	if (c->session.active)
		question_own_jobs(c);
	else
		hub_subscribe(c, c->session.signin_job, none);
}

void hub_job_created(struct hub *h, const char *job_id, const char *user_id,
		     const char *session_hash)
{
	static const struct job_version none = { -1, -1 };
	struct hub_client *c;

	LIST_FOREACH(c, &h->clients, link) {
		bool own = session_hash != NULL
				   ? strcmp(c->session.token_hash, session_hash) == 0
				   : c->session.active && strcmp(c->session.user_id, user_id) == 0;

		if (own && find_subscription(c, job_id) == NULL)
			hub_subscribe(c, job_id, none);
	}
}

void hub_session_ended(struct hub *h, const char *token_hash)
{
	struct hub_client *c;

	LIST_FOREACH(c, &h->clients, link)
		if (strcmp(c->session.token_hash, token_hash) == 0)
			c->ops->close(c->arg, 4401, "signed out");
}

/* Life */

struct hub *hub_new(struct gateway *g)
{
	static const struct live_feed_ops feed_ops = { .event = on_event, .gap = on_gap };
	struct timeval tick = { TICK_MS / 1000, 0 };
	struct hub *h = mem_zalloc(sizeof(*h));

	h->g = g;
	topics_init(&h->topics);
	LIST_INIT(&h->clients);
	h->feed = live_feed_new(g, &feed_ops, h);
	h->strangers = strangers_new(g);
	h->read = event_new(g->base, -1, 0, on_read, h);
	h->tick = event_new(g->base, -1, EV_PERSIST, on_tick, h);
	event_add(h->tick, &tick);
	return h;
}

void hub_feed_up(struct hub *h, bool up)
{
	live_feed_up(h->feed, up);
}

void hub_free(struct hub *h)
{
	if (h == NULL)
		return;
	assert(LIST_EMPTY(&h->clients));
	event_free(h->tick);
	event_free(h->read);
	live_feed_free(h->feed);
	strangers_free(h->strangers);
	free(h);
}
