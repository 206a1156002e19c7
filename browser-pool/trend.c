#include "trend.h"

#include "mem.h"

void trend_add(struct trend *t, int64_t value, int64_t allowed)
{
	t->last = value;
	if (t->values < TREND_FIRST) {
		t->usual = MAX(t->usual, value);
		t->values++;
	} else if (value > t->usual + allowed) {
		t->over++;
	} else {
		t->over = 0;
	}
}

bool trend_is_over(const struct trend *t)
{
	return t->over >= TREND_OVER;
}
