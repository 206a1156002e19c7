#include "courses_service.h"

#include <stdbool.h>

#include "id_map.h"
#include "mem.h"
#include "plain_text.h"
#include "records.h"

#define PAGE_SIZE 100
#define MAX_UNITS 340 /* of a text, as in scripts/courses.js */

static json_t *text_of(const json_t *course, const char *name)
{
	const char *html = json_string_value(json_object_get(course, name));
	CLEANUP_FREE char *text = plain_text(html ? html : "", MAX_UNITS);

	return json_string(text);
}

static json_t *date_of(const json_t *course, const char *name)
{
	json_int_t date = json_integer_value(json_object_get(course, name));

	return date > 0 ? json_integer(date) : json_null();
}

static const char *state_of(const json_t *course)
{
	json_int_t start = json_integer_value(json_object_get(course, "startdate")),
		   end = json_integer_value(json_object_get(course, "enddate")),
		   now = clock_wall_ms() / 1000;

	if (end > 0 && end < now)
		return "past";
	return start > now ? "future" : "inprogress";
}

static json_t *describe(const json_t *course, const char *root)
{
	json_t *id = json_object_get(course, "id"), *progress = json_object_get(course, "progress");
	const char *view = json_string_value(json_object_get(course, "viewurl"));
	CLEANUP_FREE char *url = view ? mem_strdup(view)
				      : mem_printf("%s/course/view.php?id=%lld", root,
						   (long long)json_integer_value(id));
	bool has_progress =
		json_is_true(json_object_get(course, "hasprogress")) && json_is_number(progress);

	return json_pack(
		"{s:O*, s:o, s:o, s:s, s:o, s:o, s:o, s:O, s:b, s:b, s:s}", "id", id, "name",
		text_of(course, "fullname"), "shortname", text_of(course, "shortname"), "url", url,
		"category", text_of(course, "coursecategory"), "start",
		date_of(course, "startdate"), "end", date_of(course, "enddate"), "progress",
		has_progress ? progress : json_null(), "hidden",
		json_is_true(json_object_get(course, "hidden")), "starred",
		json_is_true(json_object_get(course, "isfavourite")), "state", state_of(course));
}

static enum service_end ask_page(struct work *w, struct service *s, json_int_t offset, json_t **ret)
{
	json_t *calls = json_array(), *answers = NULL;
	enum service_end end;

	service_add_call(calls, "core_course_get_enrolled_courses_by_timeline_classification",
			 json_pack("{s:s, s:i, s:I, s:s}", "classification", "allincludinghidden",
				   "limit", PAGE_SIZE, "offset", offset, "sort", "fullname"));
	end = service_call(w, s, calls, &answers);
	json_decref(calls);
	if (end == SERVICE_OK) {
		*ret = json_incref(json_object_get(json_array_get(answers, 0), "data"));
		json_decref(answers);
	}
	return end;
}

/* A course may move to another page meanwhile: it is told once. */
static void add_courses(json_t *known, json_t *list, const json_t *page, const char *root)
{
	json_t *course, *id;
	size_t i;

	json_array_foreach (page, i, course) {
		id = json_object_get(course, "id");
		if (id_map_get(known, id) != NULL)
			continue;
		id_map_set(known, id, json_true());
		json_array_append_new(list, describe(course, root));
	}
}

enum service_end courses_by_service(struct work *w, struct service *s, json_t **ret)
{
	json_t *known = json_object(), *list = json_array();
	json_int_t offset = 0, next = 0;
	enum service_end end;
	size_t got, had;

	do {
		json_t *page = NULL, *courses;

		offset = next;
		had = json_array_size(list);
		end = ask_page(w, s, offset, &page);
		courses = json_object_get(page, "courses");
		got = json_array_size(courses);
		next = json_integer_value(json_object_get(page, "nextoffset"));
		if (end == SERVICE_OK && !json_is_array(courses))
			end = SERVICE_NONE;
		add_courses(known, list, courses, s->root);
		json_decref(page);
	} while (end == SERVICE_OK && got >= PAGE_SIZE && next > offset &&
		 json_array_size(list) > had && json_array_size(list) < RECORDS_MAX_COURSES);
	json_decref(known);
	if (end == SERVICE_OK)
		*ret = json_pack("{s:o}", "courses", list);
	else
		json_decref(list);
	return end;
}
