/*
 * static.h - the page's files, from gateway.web_dir. GET and HEAD, no folders, no dot files,
 * nothing outside of the folder (openat2 with RESOLVE_BENEATH, no links).
 */
#pragma once

#include "error.h"
#include "http.h"
#include "settings.h"

/* Whether the page can be served, told at the start. */
int static_check(const struct settings *s, struct error *err);

void static_serve(struct request *r); /* answers always */

/* By the name's extension; NULL: not a kind of file that we serve. */
const char *static_content_type(const char *path);
