#include "id_map.h"

#include <stdio.h>

static void key_of(const json_t *id, char out[24])
{
	snprintf(out, 24, "%lld", (long long)json_integer_value(id));
}

json_t *id_map_get(const json_t *map, const json_t *id)
{
	char key[24];

	key_of(id, key);
	return json_object_get(map, key);
}

void id_map_set(json_t *map, const json_t *id, json_t *value)
{
	char key[24];

	key_of(id, key);
	json_object_set(map, key, value);
}
