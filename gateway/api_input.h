/*
 * api_input.h - judging what a request brings, member by member.
 *
 * Each call answers true and fills its result, or has sent the 422 that says what is wrong and
 * where: `if (!input_text(…)) return;`. Results are borrowed from the request's body.
 */
#pragma once

#include "http.h"

#define INPUT_ID_MAX ((1LL << 53) - 1) /* what a JavaScript number holds exactly */

enum input_unit { INPUT_BYTES, INPUT_CHARACTERS };

/* Only these members (a NULL-ended list) may stand in object; else unknown_member. */
bool input_members(struct request *r, json_t *object, const char *const *names);

/* A text within bounds, without control characters: invalid_input. */
bool input_text(struct request *r, json_t *object, const char *name, size_t min, size_t max,
		enum input_unit unit, const char **ret);

/* A member that is an object: invalid_input. */
bool input_object(struct request *r, json_t *object, const char *name, json_t **ret);

/* One of choices (NULL-ended); absent: the first. Anything else is unknown_code. */
bool input_choice(struct request *r, json_t *object, const char *name, const char *const *choices,
		  const char *unknown_code, const char **ret);

/* 1 to max distinct positive whole numbers: invalid_input, duplicate, too_many_code. */
bool input_ids(struct request *r, json_t *object, const char *name, size_t max,
	       const char *too_many_code, int64_t *ids, size_t *count);

/* The same as PostgreSQL's text of a bigint[], from the request's arena. */
const char *input_ids_as_array(struct request *r, const int64_t *ids, size_t count);
/* Likewise one number as text. */
const char *input_number(struct request *r, int64_t number);

/* The Idempotency-Key header, NULL without one: 1 to 128 printable ASCII characters. */
bool input_idempotency_key(struct request *r, const char **ret);
