/*
 * recipe_host.h - hosts of a recipe as the origins that a browser calls them by.
 */
#pragma once

#include <jansson.h>

#include "error.h"

/* "login.example.edu" adds "https://login.example.edu", "localhost:99" also "http://localhost:99".
 */
int recipe_add_host(const char *text, json_t *origins, struct error *err);
/* Of an http(s) address, in small letters and without a usual port; yours. */
char *recipe_origin(const char *url);
