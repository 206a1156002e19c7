#include "assignment.h"

#include <errno.h>

#include "clean.h"
#include "href.h"
#include "mem.h"

#define MAX_LINE  300
#define MAX_EPOCH 253402300799 /* the end of the year 9999 */

void assignment_done(struct assignment *a)
{
	free(a->title);
	free(a->course);
	free(a->url);
	free(a->due_text);
	free(a->lang);
	blocks_done(&a->description);
	for (size_t i = 0; i < a->file_count; i++) {
		free(a->files[i].name);
		free(a->files[i].url);
	}
	free(a->files);
	*a = (struct assignment){0};
}

static char *line_of(const json_t *object, const char *key)
{
	return clean_new_line(json_string_value(json_object_get(object, key)), MAX_LINE);
}

static char *url_of(const json_t *object, const char *key)
{
	const char *url = json_string_value(json_object_get(object, key));
	CLEANUP(buf_done) struct buf clean = BUF_INIT;

	if (url)
		href_clean(url, &clean);
	return buf_take(&clean);
}

/* A file without a usable name or address is left out. */
static void parse_files(const json_t *array, struct assignment *a)
{
	size_t count = MIN(json_array_size(array), ASSIGNMENT_MAX_FILES);

	a->files = mem_zalloc_array(count + 1, sizeof(*a->files));
	for (size_t i = 0; i < count; i++) {
		const json_t *file = json_array_get(array, i);
		char *name = line_of(file, "name"), *url = url_of(file, "url");

		if (name[0] == '\0' || url[0] == '\0') {
			free(name);
			free(url);
			continue;
		}
		a->files[a->file_count++] = (struct assignment_file){name, url};
	}
}

static int64_t parse_due(const json_t *value)
{
	double due = json_number_value(value);

	return due > 0 && due <= (double)MAX_EPOCH ? (int64_t)due : 0;
}

int assignment_parse(const json_t *answer, struct assignment *ret, struct error *err)
{
	struct assignment a = {0};
	bool cut = false;
	int r;

	if (!json_is_string(json_object_get(answer, "title")))
		return error_set(err, -EBADMSG, "assignment: no title");
	r = blocks_parse(json_object_get(answer, "blocks"), &a.description, &cut, err);
	if (r < 0)
		return error_prefix(err, "assignment");
	a.truncated = cut || json_is_true(json_object_get(answer, "truncated"));
	a.title = line_of(answer, "title");
	a.course = line_of(json_object_get(answer, "course"), "name");
	a.url = url_of(answer, "url");
	a.due_text = line_of(answer, "due_text");
	a.lang = line_of(answer, "lang");
	a.due = parse_due(json_object_get(answer, "due"));
	parse_files(json_object_get(answer, "attachments"), &a);
	*ret = a;
	return 0;
}
