/*
 * recipe_check.h - judging the members of a recipe (recipe.h). Sentences begin with the member's
 * name.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Lists end with NULL. */
bool recipe_is_one_of(const char *text, const char *const *list);
/* Fails: text is none of the list. */
int recipe_wrong_word(const char *member, const char *text, const char *const *list,
		      struct error *err);
/* An object that has no other members than these. */
int recipe_check_members(json_t *object, const char *const *names, struct error *err);
int recipe_check_text(const char *member, json_t *value, size_t max, struct error *err);
/* Refuses what a browser would not take for sure; the rest it says itself. */
int recipe_check_selector(const char *member, json_t *value, struct error *err);
