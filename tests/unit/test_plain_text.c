#include "plain_text.h"

#include <stdlib.h>

#include "cmocka_all.h"

static void becomes(const char *html, size_t max_units, const char *want)
{
	char *text = plain_text(html, max_units);

	assert_string_equal(text, want);
	free(text);
}

static void entities_are_decoded_once(void **state)
{
	(void)state;
	becomes("R&amp;D &lt;b&gt; &quot;A&quot; &#039;x&#x27; &apos;", 99, "R&D <b> \"A\" 'x' '");
	becomes("&amp;amp; &amp;lt;", 99, "&amp; &lt;");
	becomes("&eacute;&Eacute;&yuml; &ndash; &euro;&#128077;&#x8ab2;", 99,
		"\u00e9\u00c9\u00ff \u2013 \u20ac\U0001f44d\u8ab2");
	becomes("a & b &; &x &nosuch; &#; &#x; &#xzz; &amp", 99,
		"a & b &; &x &nosuch; &#; &#x; &#xzz; &amp");
}

static void signs_that_no_store_holds_are_dropped(void **state)
{
	(void)state;
	becomes("a\x01\x7f\u200b\ufeffb &#8238;c&#1;", 99, "ab c");
	becomes("a&#128;b&#x9b;c&#160;d", 99, "a\ufffdb\ufffdc d");
	becomes("&#0;&#xd800;&#x110000;&#99999999999;", 99, "\ufffd\ufffd\ufffd\ufffd");
}

static void white_space_is_collapsed(void **state)
{
	(void)state;
	becomes(" \t a \r\n &nbsp; b\u3000\u2028c ", 99, "a b c");
	becomes("", 99, "");
	becomes(" &nbsp; ", 99, "");
}

static void long_text_ends_in_an_ellipsis_and_with_a_whole_sign(void **state)
{
	(void)state;
	becomes("abcde", 5, "abcde");
	becomes("abcdef", 5, "abcd\u2026");
	becomes("abc\U0001f44d\U0001f44d", 5, "abc\u2026"); /* each is two units */
	becomes("ab\U0001f44d\U0001f44d", 5, "ab\U0001f44d\u2026");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entities_are_decoded_once),
		cmocka_unit_test(signs_that_no_store_holds_are_dropped),
		cmocka_unit_test(white_space_is_collapsed),
		cmocka_unit_test(long_text_ends_in_an_ellipsis_and_with_a_whole_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
