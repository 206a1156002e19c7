/*
 * courses_service.h - the course list by Moodle's web service (service.h): the same function of
 * Moodle as scripts/courses.js, and the same records.
 */
#pragma once

#include "service.h"

/* *ret, yours: {"courses": [{id, name, shortname, url, category, start, end, progress, hidden,
 * starred, state}]}, for records_courses(). */
enum service_end courses_by_service(struct work *w, struct service *s, json_t **ret);
