/*
 * router.h - from a request to its handler: decode the path once, find the row of routes.c, refuse
 * what may not pass (method, Origin, Content-Type), ask for the session, call.
 *
 * What is no route and no API path is a file of the page (static.h). On the admin listener there
 * are only ROUTE_ADMIN rows and /health.
 */
#pragma once

#include "http.h"

void router_dispatch(struct request *r);

/* Whether path is pattern's; param gets what "{id}" or "{token}" stands for, else "". */
bool router_match(const char *pattern, const char *path, char param[ROUTE_PARAM_SIZE]);

/* The decoded path, yours to free(); NULL when it holds NUL, control characters or no UTF-8. */
char *router_decode_path(const char *raw);
