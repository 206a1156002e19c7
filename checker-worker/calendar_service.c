#include "calendar_service.h"

#include "activities.h"
#include "id_map.h"

#define FUNCTION      "core_calendar_get_action_events_by_courses"
#define MORE_FUNCTION "core_calendar_get_action_events_by_course" /* goes on after an event */
#define MAX_EVENTS    50 /* of one course in one request; Moodle refuses more */
#define MAX_PAGES     41 /* of one course: more than a check can hold */

void calendar_add_call(json_t *calls, json_t *ids)
{
	service_add_call(calls, FUNCTION,
			 json_pack("{s:o, s:i}", "courseids", ids, "limitnum", MAX_EVENTS));
}

static json_t *groups_of(const json_t *answer)
{
	return json_object_get(json_object_get(answer, "data"), "groupedbycourse");
}

static json_t *events_of(const json_t *data)
{
	json_t *events = json_object_get(data, "events");

	return json_array_size(events) <= MAX_EVENTS ? events : NULL;
}

bool calendar_take(const json_t *answer, json_t *events)
{
	const json_t *groups = groups_of(answer);
	json_t *group;
	size_t i;

	json_array_foreach (groups, i, group) {
		json_t *some = events_of(group);

		id_map_set(events, json_object_get(group, "courseid"), some ? some : json_null());
	}
	return json_is_array(groups);
}

static bool is_new(const json_t *events, const json_t *event)
{
	json_t *one;
	size_t i;

	json_array_foreach (events, i, one)
		if (json_equal(json_object_get(one, "id"), json_object_get(event, "id")))
			return false;
	return true;
}

/* Answers how many came. */
static size_t add_new(json_t *events, const json_t *page)
{
	json_t *event;
	size_t i;

	json_array_foreach (page, i, event)
		if (is_new(events, event))
			json_array_append(events, event);
	return json_array_size(page);
}

/* Moodle heeds the event only together with a start. */
static enum service_end ask_page(struct work *w, struct service *s, json_t *id, const json_t *last,
				 json_t **answers)
{
	json_t *calls = json_array();
	json_int_t from = last ? json_integer_value(json_object_get(last, "timesort")) : 1,
		   after = json_integer_value(json_object_get(last, "id"));
	enum service_end end;

	service_add_call(calls, MORE_FUNCTION,
			 json_pack("{s:O, s:I, s:I, s:i}", "courseid", id, "timesortfrom", from,
				   "aftereventid", after, "limitnum", MAX_EVENTS));
	end = service_call(w, s, calls, answers);
	json_decref(calls);
	return end;
}

enum service_end calendar_ask_more(struct work *w, struct service *s, json_t *id, json_t *events)
{
	json_t *some = id_map_get(events, id);
	size_t got = json_array_size(some), known = 0;
	enum service_end end = SERVICE_OK;

	for (int n = 1; n < MAX_PAGES && got >= MAX_EVENTS && json_array_size(some) > known; n++) {
		json_t *answers = NULL, *page;

		known = json_array_size(some);
		end = ask_page(w, s, id, activities_last_event(some), &answers);
		page = events_of(json_object_get(json_array_get(answers, 0), "data"));
		got = add_new(some, page);
		if (page == NULL)
			id_map_set(events, id, json_null()); /* some is gone */
		json_decref(answers);
	}
	return end;
}
