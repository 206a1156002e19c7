#include "hub_topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

void topics_init(struct topics *all)
{
	for (size_t i = 0; i < TOPIC_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
	TAILQ_INIT(&all->unread);
}

/* Ids are random hex; FNV-1a all the same, since clients may ask for any. */
static size_t bucket_of(const char *job)
{
	uint32_t hash = 2166136261u;

	for (; *job != '\0'; job++)
		hash = (hash ^ (unsigned char)*job) * 16777619u;
	return hash % TOPIC_BUCKETS;
}

struct topic *topic_find(struct topics *all, const char *job)
{
	struct topic *t;

	LIST_FOREACH(t, &all->buckets[bucket_of(job)], link)
		if (strcmp(t->job, job) == 0)
			return t;
	return NULL;
}

static void forget_frames(struct topic *t)
{
	for (size_t i = 0; i < ARRAY_LEN(t->frames); i++) {
		live_frame_unref(t->frames[i]);
		t->frames[i] = NULL;
	}
}

bool topic_raise(struct topic *t, const struct job_event *ev)
{
	if (job_version_compare(ev->version, t->newest.version) <= 0)
		return false;
	t->newest = *ev;
	t->place = 0;
	forget_frames(t);
	return true;
}

bool topic_place(struct topic *t, int place, int eta_s)
{
	if (t->place == place && (place == 0 || t->eta_s == eta_s))
		return false;
	t->place = place;
	t->eta_s = eta_s;
	forget_frames(t);
	return true;
}

static void add_place(const struct topic *t, json_t *json)
{
	json_object_set_new(json, "position", json_integer(t->place));
	json_object_set_new(json, "eta_s", t->eta_s >= 0 ? json_integer(t->eta_s) : json_null());
}

struct live_frame *topic_frame(struct topic *t, bool snapshot)
{
	struct live_frame **place = &t->frames[snapshot];
	json_t *json, *event;

	if (*place == NULL) {
		json = json_pack("{s:s}", "type", snapshot ? "snapshot" : "event");
		event = job_event_to_json(&t->newest);
		json_object_update(json, event);
		json_decref(event);
		if (t->place > 0)
			add_place(t, json);
		*place = live_frame_new(json);
	}
	return *place;
}

void topic_mark_unread(struct topics *all, struct topic *t)
{
	t->again |= t->reading;
	if (t->unread || t->reading)
		return;
	t->unread = true;
	TAILQ_INSERT_TAIL(&all->unread, t, unread_link);
}

void topic_mark_reading(struct topics *all, struct topic *t)
{
	TAILQ_REMOVE(&all->unread, t, unread_link);
	t->unread = false;
	t->reading = true;
}

bool topic_end_reading(struct topics *all, struct topic *t)
{
	if (!t->reading)
		return false;
	t->reading = false;
	if (t->again)
		topic_mark_unread(all, t);
	t->again = false;
	return true;
}

void topics_mark_all_unread(struct topics *all)
{
	struct topic *t;

	for (size_t i = 0; i < TOPIC_BUCKETS; i++)
		LIST_FOREACH(t, &all->buckets[i], link)
			topic_mark_unread(all, t);
}

size_t topics_each_queued(struct topics *all, void (*fn)(struct topic *t, void *arg), void *arg)
{
	struct topic *t;
	size_t count = 0;

	for (size_t i = 0; i < TOPIC_BUCKETS; i++) {
		LIST_FOREACH(t, &all->buckets[i], link) {
			if (t->state != TOPIC_KNOWN || t->newest.state != JOB_QUEUED)
				continue;
			count++;
			if (fn != NULL)
				fn(t, arg);
		}
	}
	return count;
}

static struct topic *topic_new(struct topics *all, const char *job)
{
	struct topic *t = mem_zalloc(sizeof(*t));

	snprintf(t->job, sizeof(t->job), "%s", job);
	job_event_init(&t->newest);
	LIST_INIT(&t->subscriptions);
	LIST_INSERT_HEAD(&all->buckets[bucket_of(job)], t, link);
	return t;
}

static void topic_free(struct topics *all, struct topic *t)
{
	LIST_REMOVE(t, link);
	if (t->unread)
		TAILQ_REMOVE(&all->unread, t, unread_link);
	forget_frames(t);
	free(t);
}

struct subscription *subscription_begin(struct topics *all, struct hub_client *c, const char *job,
					struct job_version have)
{
	struct subscription *s = mem_zalloc(sizeof(*s));
	struct topic *t = topic_find(all, job);

	if (t == NULL)
		t = topic_new(all, job);
	s->client = c;
	s->topic = t;
	s->sent = have;
	LIST_INSERT_HEAD(&c->subscriptions, s, in_client);
	c->subscription_count++;
	LIST_INSERT_HEAD(&t->subscriptions, s, in_topic);
	t->subscription_count++;
	return s;
}

void subscription_end(struct topics *all, struct subscription *s)
{
	struct topic *t = s->topic;

	LIST_REMOVE(s, in_client);
	s->client->subscription_count--;
	LIST_REMOVE(s, in_topic);
	free(s);
	if (--t->subscription_count == 0)
		topic_free(all, t);
}
