/*
 * listener.h - the pool's Unix socket: who may connect, and how many at a time.
 *
 * The socket's mode is 0660; beside that the peer must be root, our own user, or in our group. Over
 * its limit of connections the listener pauses, and the kernel's queue holds the rest.
 *
 * A socket that systemd listens on (pensum-browser-pool.socket) is taken over instead of path. It outlives
 * the pool: from listener_stop() on, who connects waits for the next one.
 */
#pragma once

#include "error.h"

struct listener;
struct pool;

int listener_open(struct pool *p, const char *path, struct listener **ret, struct error *err);
void listener_note_limits(struct listener *l); /* the settings changed */
void listener_stop(struct listener *l);	 /* the pool is stopping */
void listener_close(struct listener *l); /* drops its clients, removes a socket file of its own */
