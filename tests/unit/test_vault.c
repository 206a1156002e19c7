#include "vault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

#include "cmocka_all.h"

static struct settings s;
static struct vault *v;
static char key_path[64];

static int open_with(const char *key, struct error *err)
{
	FILE *f = fopen(key_path, "w");

	fputs(key, f);
	fclose(f);
	return vault_open(&s, &v, err);
}

static int setup(void **state)
{
	(void)state;
	snprintf(key_path, sizeof(key_path), "/tmp/pensum-test-key-%d", (int)getpid());
	settings_init(&s);
	free(s.key_file);
	s.key_file = mem_strdup(key_path);
	return open_with("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
			 NULL);
}

static int teardown(void **state)
{
	(void)state;
	vault_free(v);
	unlink(key_path);
	settings_done(&s);
	return 0;
}

static void what_is_sealed_opens_under_its_context_only(void **state)
{
	CLEANUP(buf_done) struct buf sealed = BUF_INIT, plain = BUF_INIT;

	(void)state;
	vault_seal(v, "password 1", "s3cret", 6, &sealed);
	assert_null(strstr(sealed.data, "s3cret"));
	assert_int_equal(vault_unseal(v, "password 1", sealed.data, &plain, NULL), 0);
	assert_string_equal(plain.data, "s3cret");
	assert_int_equal(vault_unseal(v, "password 2", sealed.data, &plain, NULL), -EBADMSG);
	sealed.data[sealed.len / 2] ^= 1;
	assert_int_equal(vault_unseal(v, "password 1", sealed.data, &plain, NULL), -EBADMSG);
	assert_int_equal(vault_unseal(v, "password 1", "", &plain, NULL), -EBADMSG);
	assert_int_equal(vault_unseal(v, "password 1", "!!", &plain, NULL), -EBADMSG);
	assert_int_equal(plain.len, 6);
}

static void the_same_text_is_sealed_differently_each_time(void **state)
{
	CLEANUP(buf_done) struct buf a = BUF_INIT, b = BUF_INIT;

	(void)state;
	vault_seal(v, "c", "x", 1, &a);
	vault_seal(v, "c", "x", 1, &b);
	assert_string_not_equal(a.data, b.data);
}

static void a_verifier_fits_one_user_and_one_password(void **state)
{
	char verifier[VAULT_VERIFIER_MAX];

	(void)state;
	assert_int_equal(vault_make_verifier(v, "u1", "right", verifier, NULL), 0);
	assert_true(vault_check_verifier(v, "u1", "right", verifier));
	assert_false(vault_check_verifier(v, "u1", "wrong", verifier));
	assert_false(vault_check_verifier(v, "u2", "right", verifier));
	assert_false(vault_check_verifier(v, "u1", "right", "nonsense"));
}

static int64_t cpu_us_of_check(const char *verifier)
{
	struct timespec before, after;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_false(vault_check_verifier(v, "u1", "wrong", verifier));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	return (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
}

/* Or else the time would tell who has a verifier. Without hashing it is some microseconds. */
static void where_there_is_no_verifier_as_much_is_hashed(void **state)
{
	static const char of_another_cost[] =
		"$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	char verifier[VAULT_VERIFIER_MAX];
	int64_t us;

	(void)state;
	assert_int_equal(vault_make_verifier(v, "u1", "right", verifier, NULL), 0);
	us = cpu_us_of_check(verifier);
	assert_true(cpu_us_of_check("") > us / 4);
	assert_true(cpu_us_of_check("nonsense") > us / 4);
	assert_true(cpu_us_of_check(of_another_cost) > us / 4);
}

static void usernames_are_one_however_they_are_typed(void **state)
{
	char a[VAULT_USER_ID], b[VAULT_USER_ID], c[VAULT_USER_ID];

	(void)state;
	vault_user_id(v, "http://m", "Maya", a);
	vault_user_id(v, "http://m", "  maya ", b);
	vault_user_id(v, "http://other", "maya", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
}

static void a_signature_is_for_its_text_only(void **state)
{
	char signature[VAULT_SIGNATURE];

	(void)state;
	vault_sign(v, "document 1 u 99", signature);
	assert_true(vault_signature_is_valid(v, "document 1 u 99", signature));
	assert_false(vault_signature_is_valid(v, "document 1 u 98", signature));
	assert_false(vault_signature_is_valid(v, "document 1 u 99", ""));
}

static void a_digest_is_of_its_text_and_purpose(void **state)
{
	char digest[VAULT_DIGEST], other[VAULT_DIGEST], hash[VAULT_HASH_HEX];

	(void)state;
	vault_digest(v, "calendar", "secret", digest);
	vault_digest(v, "calendar", "secret", other);
	assert_string_equal(digest, other);
	assert_int_equal(strlen(digest), VAULT_DIGEST - 1);
	vault_digest(v, "calendar", "Secret", other);
	assert_string_not_equal(digest, other);
	vault_digest(v, "uid", "secret", other);
	assert_string_not_equal(digest, other);
	vault_sign(v, "secret", hash);
	assert_string_not_equal(digest, hash);
}

static void a_bad_key_is_told_clearly(void **state)
{
	struct vault *kept = v;
	struct error err;

	(void)state;
	assert_int_equal(open_with("0011", &err), -EINVAL);
	assert_non_null(strstr(err.text, "64 hex digits"));
	unlink(key_path);
	assert_int_equal(vault_open(&s, &v, &err), -ENOENT);
	assert_non_null(strstr(err.text, key_path));
	v = kept;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_sealed_opens_under_its_context_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_same_text_is_sealed_differently_each_time,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_verifier_fits_one_user_and_one_password, setup,
						teardown),
		cmocka_unit_test(where_there_is_no_verifier_as_much_is_hashed),
		cmocka_unit_test_setup_teardown(usernames_are_one_however_they_are_typed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_signature_is_for_its_text_only, setup, teardown),
		cmocka_unit_test_setup_teardown(a_digest_is_of_its_text_and_purpose, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bad_key_is_told_clearly, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
