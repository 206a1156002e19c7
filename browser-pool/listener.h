/*
 * listener.h - the pool's Unix socket: who may connect, and how many at a time.
 *
 * The socket's mode is 0660; beside that the peer must be root, our own user, or in our group. Over
 * its limit of connections the listener pauses, and the kernel's queue holds the rest.
 */
#pragma once

#include "error.h"

struct listener;
struct pool;

int listener_open(struct pool *p, const char *path, struct listener **ret, struct error *err);
void listener_note_limits(struct listener *l); /* the settings changed */
void listener_close(struct listener *l); /* drops its clients, removes the socket file */
