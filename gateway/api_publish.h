/*
 * api_publish.h - telling everybody what the gateway itself did to a job (cancelled it, took it from
 * a dead worker), as workers do (publish.h).
 */
#pragma once

#include "gateway.h"
#include "jobmsg.h"

/* Without waiting. While Redis is away nobody listens there, and PostgreSQL has the fact. */
void publish_event(struct gateway *g, const struct job_event *ev);
