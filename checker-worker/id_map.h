/*
 * id_map.h - a JSON object as a map from Moodle's ids. What is no integer counts as 0. Pure.
 */
#pragma once

#include <jansson.h>

json_t *id_map_get(const json_t *map, const json_t *id); /* borrowed; NULL: not there */
void id_map_set(json_t *map, const json_t *id,
		json_t *value); /* keeps a reference; NULL: nothing */
