/* Names of downloaded files, from what a site says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page_name.h"

#define URL "https://site/mod/file.php/7/lecture%20one.pdf?download=1#x"

static const char *name_of(const char *disposition, const char *url)
{
	static char name[PAGE_NAME_SIZE];

	page_file_name(disposition, url, name);
	return name;
}

static void is_named(const char *disposition, const char *expected)
{
	if (strcmp(name_of(disposition, URL), expected) != 0)
		fail_msg("%s: %s", disposition, name_of(disposition, URL));
}

static void test_the_header_is_read_as_the_standard_says(void **state)
{
	(void)state;
	is_named("attachment; filename=\"a b.pdf\"", "a b.pdf");
	is_named("attachment;filename=a.pdf", "a.pdf");
	is_named("attachment; filename = a b.pdf ; x=1", "a b.pdf");
	is_named("ATTACHMENT; FileName=\"a;b=\\\"c\\\".pdf\"", "a;b=\"c\".pdf");
	is_named("inline; x=\"; filename=no\"; filename=yes", "yes");
	is_named("inline; x; filename=yes", "yes");
	is_named("attachment; filename=plain; filename*=UTF-8''na%C3%AFve%20%", "na\xc3\xafve %");
	is_named("attachment; filename*=utf-8'en'%e2%82%ac; filename=plain", "\xe2\x82\xac");
	is_named("attachment; filename=\"na\xc3\xafve\"", "na\xc3\xafve");
	is_named("attachment; filename*=ISO-8859-1''na%EFve; filename=plain", "plain");
	is_named("attachment; filename*=UTF-8''%EF; filename=plain", "plain");
}

static void test_without_a_good_name_the_address_has_one(void **state)
{
	static const char *const poor[] = {
		"",
		"attachment",
		"attachment; filename=",
		"attachment; filename=\"\"",
		"attachment; filename=\"\xff\"",
		"attachment; filename=\"..\"",
		"attachment; filename=\"a/\"",
		"attachment; filename=\"",
		"; ;; =",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(poor) / sizeof(poor[0]); i++)
		is_named(poor[i], "lecture one.pdf");
	assert_string_equal(name_of(NULL, URL), "lecture one.pdf");
	assert_string_equal(name_of(NULL, "https://site/"), "download");
	assert_string_equal(name_of(NULL, "https://site"), "download");
	assert_string_equal(name_of(NULL, "https://site?a/b"), "download");
	assert_string_equal(name_of(NULL, ""), "download");
}

static void test_a_name_is_one_place_in_a_folder(void **state)
{
	(void)state;
	is_named("attachment; filename=\"../../etc/passwd\"", "passwd");
	is_named("attachment; filename=\"c:\\\\temp\\\\x.doc\"", "x.doc");
	is_named("attachment; filename=\".bashrc\"", "bashrc");
	is_named("attachment; filename=\"a\nb\x7f\tc\"", "abc");
	is_named("attachment; filename*=UTF-8''..%2F..%2Fetc%00%2Fp%00w", "pw");
}

static void test_a_long_name_is_cut_between_its_letters(void **state)
{
	char header[1024] = "attachment; filename=";

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(header, "\xc3\xa4");
	assert_int_equal(strlen(name_of(header, URL)), 254);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_header_is_read_as_the_standard_says),
		cmocka_unit_test(test_without_a_good_name_the_address_has_one),
		cmocka_unit_test(test_a_name_is_one_place_in_a_folder),
		cmocka_unit_test(test_a_long_name_is_cut_between_its_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
