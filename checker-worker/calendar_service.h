/*
 * calendar_service.h - the events of courses in Moodle's calendar, by its web service (service.h).
 *
 * Several courses come with one call, so many events of each at the most; what a course has beyond
 * costs a request each time, and not without end. Another answer than was asked for is none.
 */
#pragma once

#include <stdbool.h>

#include "service.h"

/* One more of calls: the events of the courses of ids, which are taken. */
void calendar_add_call(json_t *calls, json_t *ids);
/* Its answer added to events (an object): course id → [event], or null where the site does not tell. false: of
 * none. */
bool calendar_take(const json_t *answer, json_t *events);
/* The rest of one course's, as far as it is asked for, added to its own in events; null, if not all is told. */
enum service_end calendar_ask_more(struct work *w, struct service *s, json_t *id, json_t *events);
