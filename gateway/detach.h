/*
 * detach.h - takes a connection's socket away from evhttp, which has no way to give one up.
 *
 * evhttp closes a descriptor by its number. So the socket moves to a new number, and the old number
 * gets a throw-away socket before evhttp frees (and shuts, and closes) it.
 *
 * evhttp waits for nothing of a socket whose request is whole, but epoll is told of it at the next
 * wait only (main.c), by the number: not before then may the socket move.
 */
#pragma once

#include <event2/http.h>

#include "buf.h"
#include "error.h"

/* On success a descriptor >= 0 that is yours; ev and its connection are gone, and input has what
 * the client sent behind the request. On failure nothing changed. */
int detach_socket(struct evhttp_request *ev, struct buf *input, struct error *err);
