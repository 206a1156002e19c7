#include "session_recent.h"

#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

static struct session make(const char *hash_start)
{
	struct session s = { .active = true, .expires_at = 99 };

	memset(s.token_hash, 'a', sizeof(s.token_hash) - 1);
	memcpy(s.token_hash, hash_start, strlen(hash_start));
	return s;
}

static void a_session_is_known_for_a_moment(void **state)
{
	struct session_recent *t = session_recent_new();
	struct session one = make("0123"), found;

	(void)state;
	assert_false(session_recent_find(t, one.token_hash, 5000, &found));
	session_recent_add(t, &one, 5000);
	assert_true(session_recent_find(t, one.token_hash, 5000 + SESSION_RECENT_MS - 1, &found));
	assert_int_equal(found.expires_at, 99);
	assert_false(session_recent_find(t, one.token_hash, 5000 + SESSION_RECENT_MS, &found));
	session_recent_free(t);
}

static void it_is_forgotten_when_told_so(void **state)
{
	struct session_recent *t = session_recent_new();
	struct session one = make("0123"), found;

	(void)state;
	session_recent_add(t, &one, 5000);
	session_recent_remove(t, one.token_hash);
	assert_false(session_recent_find(t, one.token_hash, 5000, &found));
	session_recent_free(t);
}

/* Both hashes fall into the same place. */
static void another_one_is_never_taken_for_it(void **state)
{
	struct session_recent *t = session_recent_new();
	struct session one = make("0123"), other = make("01230"), found;

	(void)state;
	session_recent_add(t, &one, 5000);
	assert_false(session_recent_find(t, other.token_hash, 5000, &found));
	session_recent_remove(t, other.token_hash);
	assert_true(session_recent_find(t, one.token_hash, 5000, &found));
	session_recent_add(t, &other, 5000);
	assert_false(session_recent_find(t, one.token_hash, 5000, &found));
	assert_true(session_recent_find(t, other.token_hash, 5000, &found));
	session_recent_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_known_for_a_moment),
		cmocka_unit_test(it_is_forgotten_when_told_so),
		cmocka_unit_test(another_one_is_never_taken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
