/* Any JSON as what Moodle's web service answers: what comes out is a record that records.c takes,
 * or none. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "activities.h"
#include "assignment_state.h"
#include "records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(json_t *answer, int (*fn)(const json_t *, json_t **, struct error *), int allowed)
{
	json_t *list = NULL;
	int e = fn(answer, &list, NULL);

	if (e != 0 && !allowed)
		abort();
	json_decref(list);
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *root = json_loadb((const char *)data, size, 0, NULL), *record;

	record = assignment_state(json_object_get(root, "assignment"),
				  json_object_get(root, "status"),
				  json_string_value(json_object_get(root, "why")), "A section",
				  "http://moodle.example.edu", 1000000);
	if (record != NULL)
		judge(json_pack("{s:[o]}", "assignments", record), records_assignments, 0);
	judge(json_pack(
		      "{s:o}", "activities",
		      activities_of(json_object_get(root, "events"), "http://moodle.example.edu")),
	      records_activities, 1);
	json_decref(root);
	return 0;
}
