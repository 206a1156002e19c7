/*
 * static.h - the page's files, from gateway.web_dir. GET and HEAD, no folders, no dot files,
 * nothing outside of the folder (openat2 with RESOLVE_BENEATH, no links).
 */
#pragma once

#include "http.h"

void static_serve(struct request *r); /* answers always */

/* By the name's extension; NULL: not a kind of file that we serve. */
const char *static_content_type(const char *path);
