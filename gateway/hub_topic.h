/*
 * hub_topic.h - the hub's table: topics (jobs that are watched), clients and the subscriptions that
 * join them. Only hub.c uses it.
 *
 * A topic lives as long as it has subscriptions. UNKNOWN: no snapshot was read since it was made,
 * so nothing is sent; KNOWN: its newest event is what snapshot and feed say.
 */
#pragma once

#include <sys/queue.h>

#include "hub.h"
#include "jobmsg.h"
#include "vault.h"

enum topic_state { TOPIC_UNKNOWN, TOPIC_KNOWN };

struct topic {
	LIST_ENTRY(topic) link; /* in its bucket */
	TAILQ_ENTRY(topic) unread_link;
	char job[ID_LEN + 1];
	enum topic_state state;
	bool unread;  /* in the list of topics to read */
	bool reading; /* a snapshot of it is on its way … */
	bool again;   /* … that may be too old when it comes */
	char user_id[VAULT_USER_ID];
	char session_hash[VAULT_HASH_HEX];
	struct job_event newest;
	int place, eta_s; /* of a queued job (positions.h); place 0: not known */
	struct live_frame *frames[2]; /* of newest, made when first needed: event, snapshot */
	size_t subscription_count;
	LIST_HEAD(, subscription) subscriptions;
};

struct subscription {
	LIST_ENTRY(subscription) in_client, in_topic;
	struct hub_client *client;
	struct topic *topic;
	struct job_version sent; /* the newest that the client has */
	bool greeted;
};

struct hub_client {
	LIST_ENTRY(hub_client) link;
	struct hub *hub;
	struct gateway *g;
	struct session session;
	bool asks_again; /* PostgreSQL did not say which jobs are its own */
	const struct hub_client_ops *ops;
	void *arg;
	size_t subscription_count;
	LIST_HEAD(, subscription) subscriptions;
	LIST_HEAD(, hub_question) questions;
};
LIST_HEAD(hub_client_list, hub_client);

#define TOPIC_BUCKETS 1024
struct topics {
	LIST_HEAD(, topic) buckets[TOPIC_BUCKETS];
	TAILQ_HEAD(, topic) unread;
};

void topics_init(struct topics *all);
struct topic *topic_find(struct topics *all, const char *job);
/* Whether ev is newer than what was known; then it is the newest. */
bool topic_raise(struct topic *t, const struct job_event *ev);
/* Whether that is news; place 0: not known (any more). */
bool topic_place(struct topic *t, int place, int eta_s);
/* Borrowed until the topic is raised, placed or ends. */
struct live_frame *topic_frame(struct topic *t, bool snapshot);

void topic_mark_unread(struct topics *all, struct topic *t);
void topic_mark_reading(struct topics *all, struct topic *t);
/* False: this topic was made after that snapshot was asked for, and is unread still. */
bool topic_end_reading(struct topics *all, struct topic *t);
void topics_mark_all_unread(struct topics *all);
/* Calls fn for each topic whose newest event is "queued"; it may not end topics. Answers how many. */
size_t topics_each_queued(struct topics *all, void (*fn)(struct topic *t, void *arg), void *arg);

struct subscription *subscription_begin(struct topics *all, struct hub_client *c, const char *job,
					struct job_version have);
void subscription_end(struct topics *all, struct subscription *s); /* the topic's last: frees it */
