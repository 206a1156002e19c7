/*
 * http_conn.h - the connections of one evhttp, watched from outside.
 *
 * evhttp 2.1 has no deadline for a whole request (a byte a second keeps one for ever), no limit on
 * connections, and spins when descriptors run out. It lets us make its bufferevents, so each one
 * gets a record here with a reference of its own:
 *
 *	READING -> HANDLING -> WRITING -> IDLE -> READING …
 *
 *	READING	 bytes of a request have come (or the connection is new): whole by the deadline
 *	HANDLING a handler has the request; evhttp does not read meanwhile, no deadline here
 *	WRITING	 the answer goes out
 *	IDLE	 kept alive
 *
 * At the limit of connections those that have been READING or IDLE for a second make room, a part
 * of them at a time: half a request costs nobody the answer to a whole one.
 *
 * A record goes when evhttp has let go of the bufferevent (its callbacks are NULL then), seen by a
 * sweep each second. The bufferevent must close its descriptor itself (BEV_OPT_CLOSE_ON_FREE): else
 * the number is reused while the old event is still registered, and steals the next client's bytes.
 */
#pragma once

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stddef.h>

struct http_conns;
struct http_conn;

/* listener is borrowed: it is paused at max connections, and when descriptors run out. */
struct http_conns *http_conns_new(struct event_base *base, struct evconnlistener *listener,
				  size_t max);
void http_conns_free(struct http_conns *c); /* after evhttp_free() */
void http_conns_stop(struct http_conns *c); /* forgets the listener, which is about to go */

/* For evhttp_set_bevcb(). */
struct bufferevent *http_conns_bufferevent(struct event_base *base, void *conns);

struct http_conn *http_conns_find(struct http_conns *c, const struct bufferevent *bev);
void http_conn_handling(struct http_conn *conn); /* the request is whole */
void http_conn_writing(struct http_conn *conn);	 /* its answer was given to evhttp */
/* Writes what the socket takes of it now, and lets evhttp know soon if that was all. */
void http_conn_write(struct http_conn *conn);
void http_conn_done(struct http_conn *conn);	 /* … and was written */
void http_conn_detached(struct http_conn *conn); /* evhttp has let go of it: the record goes now */
