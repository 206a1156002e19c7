/*
 * page_answer.h - when a site wants to be asked again, as the answer to a navigation says it.
 *
 * For page.c, which sees to it that the page's network is watched (CDP's Network domain) meanwhile.
 */
#pragma once

#include "page.h"

/* The next document that arrives is the one; those of its frames come behind it. */
void page_answer_expect(struct lease *l);
