/*
 * activities.h - quizzes, forums and others that the calendar holds, from Moodle's events as its
 * web service tells them. The records are those of scripts/calendar.js. Pure.
 */
#pragma once

#include <jansson.h>

/* [{cmid, kind, event, name, url, due, open}], yours. events may be NULL. */
json_t *activities_of(const json_t *events, const char *root);

/* The latest date of the events, those of extensions left out: where the next page of them begins.
 */
json_int_t activities_last_date(const json_t *events);
