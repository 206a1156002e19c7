#include "housekeeping_watch.h"

#include "cmocka_all.h"

#define LOOK_MS 3000
#define LOOKS	(WATCH_SILENCE_MS / LOOK_MS)

/* One look at time_ms that sees worker "a" with this beat; how many are silent. */
static size_t look(struct watch *w, int64_t time_ms, const char *boot, int64_t beat)
{
	json_t *silent;
	size_t count;

	watch_begin(w, time_ms);
	watch_row(w, "a", boot, beat);
	silent = watch_end(w);
	count = json_array_size(silent);
	json_decref(silent);
	return count;
}

static void who_beats_is_never_silent(void **state)
{
	struct watch *w = watch_new();

	(void)state;
	for (int i = 1; i < 100; i++)
		assert_int_equal(look(w, i * LOOK_MS, "x", i), 0);
	watch_free(w);
}

static void who_stops_is_silent_after_the_time(void **state)
{
	struct watch *w = watch_new();

	(void)state;
	for (int i = 1; i <= LOOKS; i++)
		assert_int_equal(look(w, 100000 + i * LOOK_MS, "x", 7), 0);
	assert_int_equal(look(w, 100000 + (LOOKS + 1) * LOOK_MS, "x", 7), 1);
	assert_int_equal(look(w, 100000 + (LOOKS + 2) * LOOK_MS, "x", 7), 1);
	assert_int_equal(look(w, 100000 + (LOOKS + 3) * LOOK_MS, "x", 8), 0);
	watch_free(w);
}

static void a_new_boot_is_a_sign_of_life(void **state)
{
	struct watch *w = watch_new();

	(void)state;
	for (int i = 1; i <= LOOKS; i++)
		look(w, i * LOOK_MS, "x", 1);
	assert_int_equal(look(w, (LOOKS + 1) * LOOK_MS, "y", 1), 0);
	watch_free(w);
}

static void our_own_pause_is_nobodys_silence(void **state)
{
	struct watch *w = watch_new();

	(void)state;
	for (int i = 1; i <= LOOKS; i++)
		look(w, i * LOOK_MS, "x", 1);
	/* The machine slept for an hour, or the database was away. */
	assert_int_equal(look(w, 3600000, "x", 1), 0);
	for (int i = 1; i < LOOKS; i++)
		assert_int_equal(look(w, 3600000 + i * LOOK_MS, "x", 1), 0);
	assert_int_equal(look(w, 3600000 + LOOKS * LOOK_MS, "x", 1), 1);
	watch_free(w);
}

static void the_silent_are_named_until_released(void **state)
{
	struct watch *w = watch_new();
	json_t *names = json_pack("[s]", "a");

	(void)state;
	for (int i = 1; i <= 6; i++)
		look(w, i * LOOK_MS, "x", 1);
	watch_mark_released(w, names);
	assert_int_equal(look(w, 7 * LOOK_MS, "x", 1), 0);
	/* Back, and silent once more. */
	assert_int_equal(look(w, 8 * LOOK_MS, "x", 2), 0);
	for (int i = 9; i < 8 + LOOKS; i++)
		assert_int_equal(look(w, i * LOOK_MS, "x", 2), 0);
	assert_int_equal(look(w, (8 + LOOKS) * LOOK_MS, "x", 2), 1);
	json_decref(names);
	watch_free(w);
}

static void rows_that_are_gone_are_forgotten(void **state)
{
	struct watch *w = watch_new();

	(void)state;
	for (int i = 1; i <= LOOKS; i++)
		look(w, i * LOOK_MS, "x", 1);
	watch_begin(w, (LOOKS + 1) * LOOK_MS);
	json_decref(watch_end(w));
	assert_int_equal(look(w, 7 * LOOK_MS, "x", 1), 0);
	watch_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_beats_is_never_silent),
		cmocka_unit_test(who_stops_is_silent_after_the_time),
		cmocka_unit_test(a_new_boot_is_a_sign_of_life),
		cmocka_unit_test(our_own_pause_is_nobodys_silence),
		cmocka_unit_test(the_silent_are_named_until_released),
		cmocka_unit_test(rows_that_are_gone_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
