/* Any bytes as a recipe: what is accepted has all that the page's script relies on, and nothing
 * leads to a host that is not https or loopback. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool right)
{
	if (!right)
		abort();
}

static void judge_origins(json_t *origins)
{
	json_t *origin;
	size_t i;

	expect(json_is_array(origins));
	json_array_foreach (origins, i, origin) {
		const char *text = json_string_value(origin);

		expect(text != NULL && strpbrk(text, "*@?#\\ ") == NULL);
		expect(strncmp(text, "https://", 8) == 0 || strstr(text, "localhost") != NULL ||
		       strncmp(text, "http://127.", 11) == 0 ||
		       strncmp(text, "http://[::1]", 12) == 0);
	}
}

static void judge_steps(json_t *steps)
{
	json_t *step;
	size_t i;

	expect(json_array_size(steps) <= RECIPE_MAX_STEPS);
	json_array_foreach (steps, i, step) {
		expect(json_array_size(json_object_get(step, "if")) > 0);
		expect(json_is_array(json_object_get(step, "unless")));
		expect(json_is_array(json_object_get(step, "fill")));
		expect(json_is_array(json_object_get(step, "origins")));
		if (json_array_size(json_object_get(step, "fill")) > 0)
			judge_origins(json_object_get(step, "origins"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipe r = RECIPE_INIT;
	struct error err = { 0 };

	if (recipe_parse((const char *)data, size, &r, &err) < 0) {
		expect(err.text[0] != '\0' && r.page == NULL);
		return 0;
	}
	judge_origins(r.origins);
	judge_origins(r.assets);
	judge_steps(json_object_get(r.page, "steps"));
	expect(r.start[0] == '\0' || (r.start[0] == '/' && r.start[1] != '/'));
	expect(r.time_limit_s > 0);
	recipe_done(&r);
	return 0;
}
