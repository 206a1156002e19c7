/*
 * trend.h - one figure against its own past.
 *
 * The largest of the first TREND_FIRST values is what is usual. A value is over when it is more
 * than that and what is allowed on top; only TREND_OVER of them in a row mean anything, so that no
 * single moment does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TREND_FIRST 3
#define TREND_OVER  4

struct trend {
	int64_t usual, last;
	unsigned values; /* of the first ones; stays at TREND_FIRST */
	unsigned over;	 /* in a row */
};

void trend_add(struct trend *t, int64_t value, int64_t allowed);
bool trend_is_over(const struct trend *t);
