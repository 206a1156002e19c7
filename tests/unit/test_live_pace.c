#include "live_pace.h"

#include "cmocka_all.h"

static void one_who_takes_all_is_not_watched_any_longer(void **state)
{
	struct live_pace p = { 0 };

	(void)state;
	assert_true(live_pace_wrote(&p, 100, 1000));
	assert_false(live_pace_wrote(&p, 100, 1001)); /* is watched already */
	assert_false(live_pace_has_stalled(&p, 0, 50000));
	assert_true(live_pace_wrote(&p, 100, 60000));
	assert_false(live_pace_has_stalled(&p, 102, 60000 + LIVE_STALL_MS - 1));
}

static void one_who_takes_nothing_has_stalled_after_a_while_however_much_is_sent(void **state)
{
	struct live_pace p = { 0 };
	int64_t now = 0;

	(void)state;
	for (size_t sent = 0; now < LIVE_STALL_MS; now += 1000) {
		live_pace_wrote(&p, 100, now);
		sent += 102; /* a frame has a head */
		assert_false(live_pace_has_stalled(&p, sent, now));
	}
	assert_true(live_pace_has_stalled(&p, 1020, now));
}

static void one_who_takes_little_at_a_time_has_not_stalled(void **state)
{
	struct live_pace p = { 0 };

	(void)state;
	live_pace_wrote(&p, 50000, 0);
	for (int i = 0; i < 100; i++)
		assert_false(live_pace_has_stalled(&p, (size_t)(50000 - 10 * i),
						   i * (LIVE_STALL_MS - 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_who_takes_all_is_not_watched_any_longer),
		cmocka_unit_test(
			one_who_takes_nothing_has_stalled_after_a_while_however_much_is_sent),
		cmocka_unit_test(one_who_takes_little_at_a_time_has_not_stalled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
