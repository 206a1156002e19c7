/*
 * peer.h - one connection that speaks CDP in NUL-ended messages: to the pool, or to a browser. What goes
 * wrong ends the program (bench.h).
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct peer {
	int in, out; /* the same one when it is a socket */
	long last_id;
	char session[80]; /* "" to the pool, which knows the page */
	unsigned loads;	  /* Page.loadEventFired so far */
	char *buf;
	size_t start, used, size;
};

void peer_init(struct peer *p, int in, int out); /* takes both */
/* A page of the pool at path; key: the request's member, or NULL for a fresh page. */
void peer_lease(struct peer *p, const char *path, const char *key);
void peer_done(struct peer *p);

/* params: JSON. Returns the message's id. */
long peer_send(struct peer *p, const char *method, const char *params);
json_t *peer_read(struct peer *p); /* the next message, a new reference */
/* The result, a new reference; peer_do() without it. */
json_t *peer_call(struct peer *p, const char *method, const char *params);
void peer_do(struct peer *p, const char *method, const char *params);
json_t *peer_evaluate(struct peer *p, const char *params); /* the value, a new reference */
void peer_wait_load(struct peer *p, unsigned before);	   /* until p->loads is another */

const char *peer_word(const json_t *object, const char *member); /* "": none */
