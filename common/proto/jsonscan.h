/*
 * jsonscan.h - walks over JSON without building anything: strict grammar, any bytes, bounded depth.
 *
 *	struct jsonscan s = { .p = text, .end = text + len };
 *	if (jsonscan_char(&s, '{') && jsonscan_string(&s, &plain) && …)
 *
 * Each call starts at s->p, is true when what it is named after stood there, and leaves s->p behind
 * it; after false, s->p stands somewhere before s->end. Comments, trailing commas, leading zeros
 * and the like are refused, so that every other strict reader sees the same structure. UTF-8 is not
 * checked (text_is_utf8()).
 */
#pragma once

#include <stdbool.h>

#define JSONSCAN_MAX_DEPTH 200 /* arrays and objects inside each other */

struct jsonscan {
	const char *p, *end;
	unsigned depth; /* inside jsonscan_value() */
	char closer[JSONSCAN_MAX_DEPTH];
};

void jsonscan_space(struct jsonscan *s);
bool jsonscan_char(struct jsonscan *s, char c); /* behind optional space */
bool jsonscan_string(struct jsonscan *s, bool *plain); /* *plain: no escapes inside */
bool jsonscan_value(struct jsonscan *s); /* any, behind optional space */
