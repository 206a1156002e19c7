#include "calendar_service.h"

#include "activities.h"
#include "id_map.h"

#define FUNCTION   "core_calendar_get_action_events_by_courses"
#define MAX_EVENTS 50 /* of one course in one request; Moodle refuses more */
#define MAX_PAGES  6  /* of one course */

static json_t *arguments_for(json_t *ids)
{
	return json_pack("{s:o, s:i}", "courseids", ids, "limitnum", MAX_EVENTS);
}

void calendar_add_call(json_t *calls, json_t *ids)
{
	service_add_call(calls, FUNCTION, arguments_for(ids));
}

static json_t *groups_of(const json_t *answer)
{
	return json_object_get(json_object_get(answer, "data"), "groupedbycourse");
}

static json_t *events_of(const json_t *group)
{
	json_t *events = json_object_get(group, "events");

	return json_array_size(events) <= MAX_EVENTS ? events : NULL;
}

bool calendar_take(const json_t *answer, json_t *events)
{
	const json_t *groups = groups_of(answer);
	json_t *group;
	size_t i;

	json_array_foreach (groups, i, group)
		id_map_set(events, json_object_get(group, "courseid"), events_of(group));
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

static enum service_end ask_page(struct work *w, struct service *s, json_t *id, json_int_t from,
				 json_t **answers)
{
	json_t *calls = json_array(), *arguments = arguments_for(json_pack("[O]", id));
	enum service_end end;

	json_object_set_new(arguments, "timesortfrom", json_integer(from));
	service_add_call(calls, FUNCTION, arguments);
	end = service_call(w, s, calls, answers);
	json_decref(calls);
	return end;
}

enum service_end calendar_ask_more(struct work *w, struct service *s, json_t *id, json_t *events)
{
	json_int_t from = 0, last;
	size_t got = json_array_size(events);
	json_t *answers;

	for (int n = 1; n < MAX_PAGES && got >= MAX_EVENTS; n++) {
		enum service_end end;

		last = activities_last_date(events);
		if (last <= from)
			break;
		from = last;
		answers = NULL;
		end = ask_page(w, s, id, from, &answers);
		if (end != SERVICE_OK)
			return end;
		got = add_new(events,
			      events_of(json_array_get(groups_of(json_array_get(answers, 0)), 0)));
		json_decref(answers);
	}
	return SERVICE_OK;
}
