/*
 * live_channel.h - one open live channel: the conversation of live.h between a socket and the hub.
 *
 * Ends with its socket; whoever wants it to end closes the socket.
 */
#pragma once

#include <sys/queue.h>

#include "hub.h"
#include "live_ws.h"

struct channel;
LIST_HEAD(channel_list, channel);

/* Made, and joins the hub, before the socket is adopted; live_channel_ops' opened() says hello. */
struct channel *channel_new(struct gateway *g, struct channel_list *all, const struct session *s);
void channel_free(struct channel *c); /* only while it was never opened */
/* Those whose session is over, with 4401: to be called every second. */
void channel_close_expired(struct channel_list *all);
/* Seconds until one of the student's is likely to end; 1 to ADMISSION_WAIT_MAX_S. Nobody knows when a tab
 * is closed: what has lasted so long is expected to last about as long again, but its session at most. */
int channel_wait_s(const struct channel_list *all, const char *user_id);
/* With 1001, and each with a moment of its own to come back. */
void channel_close_all_spread(struct channel_list *all);

extern const struct live_ws_ops live_channel_ops; /* arg: the channel */
