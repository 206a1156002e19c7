/*
 * sections.h - the headings of a draft by kind of work, each with the places that a student fills.
 */
#pragma once

#include "blocks.h"
#include "template.h"

/* Appends the kind's sections, headings of level 1. Questions are taken from the description. */
void sections_add(struct blocks *to, enum template_kind kind, const struct blocks *description);
