/*
 * service_answer.h - what Moodle's web service answers to several calls in one request.
 *
 * {"responses": [{"error":false, "data":"<JSON>"} | {"error":true, "exception":"<JSON>"}]}, or for
 * all of them {"errorcode", …}. Pure; the bytes are outside input.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Yours: an array of as many as Moodle has executed, at most `most`, each {"data"} or
 * {"errorcode"}; or
 * {"errorcode"}, when it has executed none; or NULL: not understood. An errorcode is a string. */
json_t *service_answer_parse(const char *text, size_t len, size_t most);
