/*
 * activities.h - quizzes, forums and others that the calendar holds, from Moodle's events as its
 * web service tells them. The records are those of scripts/calendar.js. Pure.
 */
#pragma once

#include <jansson.h>

/* [{cmid, kind, event, name, url, due, open}], yours. events may be NULL. */
json_t *activities_of(const json_t *events, const char *root);

/* The last of the events that is no extension, which is where the next page of them begins; NULL: none. */
const json_t *activities_last_event(const json_t *events);
