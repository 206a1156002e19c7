#include "text.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

static bool utf8(const char *text)
{
	return text_is_utf8(text, strlen(text));
}

static void utf8_of_every_length_is_accepted(void **state)
{
	(void)state;
	assert_true(utf8(""));
	assert_true(utf8("plain"));
	assert_true(utf8("\xc3\xa9\xe0\xa4\x85\xf0\x9f\x8e\x93"));
}

static void overlong_surrogate_and_cut_sequences_are_refused(void **state)
{
	(void)state;
	assert_false(utf8("\xc0\xaf"));		/* overlong slash */
	assert_false(utf8("\xe0\x80\xaf"));	/* overlong in three bytes */
	assert_false(utf8("\xed\xa0\x80"));	/* surrogate */
	assert_false(utf8("\xf4\x90\x80\x80")); /* above U+10FFFF */
	assert_false(utf8("\xe2\x82"));		/* cut */
	assert_false(utf8("\x80"));
}

static void cutting_never_splits_a_character(void **state)
{
	const char *text = "a\xc3\xa9z"; /* 4 bytes */

	(void)state;
	assert_int_equal(text_cut_utf8(text, 4, 10), 4);
	assert_int_equal(text_cut_utf8(text, 4, 3), 3);
	assert_int_equal(text_cut_utf8(text, 4, 2), 1);
	assert_int_equal(text_cut_utf8(text, 4, 0), 0);
}

static void numbers_are_whole_bounded_and_alone(void **state)
{
	int64_t n = 7;

	(void)state;
	assert_int_equal(text_parse_i64("42", 0, 100, &n, NULL), 0);
	assert_int_equal(n, 42);
	assert_int_equal(text_parse_i64("-3", -5, 5, &n, NULL), 0);
	assert_int_equal(n, -3);
	assert_int_equal(text_parse_i64("", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(text_parse_i64("4x", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(text_parse_i64(" 4", 0, 9, &n, NULL), -EINVAL);
	assert_int_equal(text_parse_i64("10", 0, 9, &n, NULL), -ERANGE);
	assert_int_equal(text_parse_i64("99999999999999999999", 0, 9, &n, NULL), -ERANGE);
	assert_int_equal(n, -3);
}

static void hex_goes_there_and_back(void **state)
{
	const unsigned char bytes[3] = { 0x00, 0xab, 0xff };
	unsigned char back[3];
	char hex[7];

	(void)state;
	text_hex(bytes, 3, hex);
	assert_string_equal(hex, "00abff");
	assert_int_equal(text_unhex("00ABff", back, 3), 0);
	assert_memory_equal(bytes, back, 3);
	assert_int_equal(text_unhex("00ab", back, 3), -EINVAL);
	assert_int_equal(text_unhex("00abff0", back, 3), -EINVAL);
	assert_int_equal(text_unhex("00abfg", back, 3), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_of_every_length_is_accepted),
		cmocka_unit_test(overlong_surrogate_and_cut_sequences_are_refused),
		cmocka_unit_test(cutting_never_splits_a_character),
		cmocka_unit_test(numbers_are_whole_bounded_and_alone),
		cmocka_unit_test(hex_goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
