/*
 * live.h - the live channel: GET /api/v1/live, from the HTTP request to the end of its WebSocket.
 *
 *	live_open(): limits, Origin, handshake headers -> a problem+json answer, or
 *	detach.h: evhttp lets go of the socket -> live_ws.h: it speaks WebSocket -> live_channel
 *
 * Messages are JSON texts; several of one turn of the loop come as one text, a JSON array of them.
 * From us:
 *	{"type":"hello","user":id}			first
 *	{"type":"snapshot","job",…}			where a job stands (job_event_to_json())
 *	{"type":"event","job",…}			what came after; versions only grow
 *	{"type":"gone","job":id}			no such job, for this browser
 *	{"type":"error","code","detail"}		a message that was not understood
 *	{"type":"pong"}
 * From the client:
 *	{"type":"subscribe","job":id,"have":[k,n]}	have: optional
 *	{"type":"ping"}
 * Closed by us with 1001 (we stop; the reason is {"retry_after_ms":n}: come back then), 1003 (binary),
 * 1008 (10 bad messages), 1009 (message > 4 KiB), 4008 (reads too slowly, or nothing for ten seconds;
 * come back), 4401 (session ended: sign in).
 */
#pragma once

#include "gateway.h"
#include "http.h"

int live_new(struct gateway *g, struct live **ret, struct error *err);
/* The nested loop: before and after each wait of the event base. */
void live_before_wait(struct live *l);
void live_after_wait(struct live *l);
void live_stop(struct live *l); /* all channels are closed with 1001; no new ones */
size_t live_count(const struct live *l);
void live_free(struct live *l); /* before the hub */

route_fn live_open;
