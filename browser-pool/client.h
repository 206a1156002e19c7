/*
 * client.h - one connection on the pool's socket: its first message, its lease, its farewell.
 *
 *	ASKING --lease--> HOLDING --lease over--> FINISHING --all said, peer closed or late--> GONE
 *	   |                 +------ peer closed ---------------------------------------------^
 *	   +--status, pause, kill, …, nonsense--> FINISHING
 *
 * A connection is its lease's life: when the peer closes, the lease ends. Who asks and then closes
 * only the writing direction (as socat does) still gets the answer to everything but lease.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cdpmsg.h"
#include "poolmsg.h"

struct pool;
struct client;

typedef void client_gone_fn(void *arg);

/* Takes fd. gone comes once, when the connection is over; the memory frees itself. */
struct client *client_new(struct pool *p, int fd, const struct ucred *peer, client_gone_fn *gone,
			  void *arg);
/* The pool stops: over at once, without a callback. */
void client_drop(struct client *c);

void client_send(struct client *c, json_t *message); /* takes message */
void client_send_pieces(struct client *c, const struct cdp_pieces *pieces);
/* From here on the pool's end of the CDP contract: larger messages. */
void client_begin_cdp(struct client *c);
/* Nothing more to say. */
void client_finish(struct client *c);

size_t client_unsent_bytes(const struct client *c);
uint64_t client_written_bytes(const struct client *c);
