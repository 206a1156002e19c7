#include "settings.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "log.h"
#include "mem.h"

#include "cmocka_all.h"

static struct settings s;
static struct error err;

static int setup(void **state)
{
	(void)state;
	settings_init(&s);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	settings_done(&s);
	return 0;
}

static void defaults_are_those_of_the_table(void **state)
{
	(void)state;
	assert_string_equal(s.gateway_listen, "127.0.0.1:8080");
	assert_int_equal(s.pool_sandbox, POOL_SANDBOX_ON);
	assert_int_equal(s.log_level, LOG_LEVEL_INFO);
}

static void a_file_sets_values_and_ignores_comments(void **state)
{
	(void)state;
	assert_int_equal(settings_load_text(&s, "f",
					    "# hi\n\n site.url = http://m/x=1 \nchecker.slots=3\n"
					    "log.level = debug",
					    &err),
			 0);
	assert_string_equal(s.site.url, "http://m/x=1");
	assert_int_equal(s.checker_slots, 3);
	assert_int_equal(s.log_level, LOG_LEVEL_DEBUG);
}

static void an_unknown_key_names_file_and_line(void **state)
{
	(void)state;
	assert_int_equal(settings_load_text(&s, "a.conf", "site.name = x\nsite.nam = y\n", &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "a.conf:2"));
	assert_non_null(strstr(err.text, "site.nam"));
}

static void a_key_that_stands_twice_names_both_lines(void **state)
{
	struct site site = { 0 };

	(void)state;
	assert_int_equal(settings_load_text(&s, "p.conf",
					    "pool.max_pages = 3\n\nlog.level = info\n"
					    "pool.max_pages = 3\n",
					    &err),
			 -EINVAL);
	assert_string_equal(
		err.text,
		"p.conf:4: \"pool.max_pages\" is set in line 1 already: which one holds?");
	assert_int_equal(settings_load_site(&site, "poly", "poly.conf",
					    "name = A\nurl = http://a\nname = B\n", &err),
			 -EINVAL);
	assert_string_equal(err.text,
			    "poly.conf:3: \"name\" is set in line 1 already: which one holds?");
}

static void a_bad_value_tells_what_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(settings_load_text(&s, "f", "checker.slots = 0", &err), -EINVAL);
	assert_non_null(strstr(err.text, "1 to 64"));
	assert_int_equal(settings_load_text(&s, "f", "pool.sandbox = maybe", &err), -EINVAL);
	assert_non_null(strstr(err.text, "on, off"));
	assert_int_equal(settings_load_text(&s, "f", "site.name = a\x01z", &err), -EINVAL);
	assert_int_equal(settings_load_text(&s, "f", "just words", &err), -EINVAL);
}

static void an_address_that_no_path_fits_behind_is_refused(void **state)
{
	static const char *const bad[] = { "moodle.example.edu", "https://",
					   "https://m/",	 "ftp://m",
					   "http://m/moodle/",	 "http://m/?x=1",
					   "http://u@m" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_done) struct buf line = BUF_INIT;

		buf_printf(&line, "site.url = %s", bad[i]);
		assert_int_equal(settings_load_text(&s, "f", line.data, &err), -EINVAL);
		assert_non_null(strstr(err.text, "without a slash at the end"));
	}
	assert_int_equal(
		settings_load_text(
			&s, "f", "site.url = https://m:8443/moodle\ngateway.public_url =\n", &err),
		0);
	assert_string_equal(s.site.url, "https://m:8443/moodle");
}

static void an_address_without_a_port_that_can_be_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "127.0.0.1",
					   "127.0.0.1:",
					   "127.0.0.1:99999",
					   "127.0.0.1: 8080",
					   "127.0.0.1:-1",
					   "unix:" };
	static const char *const good[] = { "127.0.0.1:0", "[::1]:8080", ":65535", "unix:/run/x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_done) struct buf line = BUF_INIT;

		buf_printf(&line, "gateway.listen = %s", bad[i]);
		assert_int_equal(settings_load_text(&s, "f", line.data, &err), -EINVAL);
		assert_non_null(strstr(err.text, "expected address:port"));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(buf_done) struct buf line = BUF_INIT;

		buf_printf(&line, "redis.address = %s", good[i]);
		assert_int_equal(settings_load_text(&s, "f", line.data, &err), 0);
		assert_string_equal(s.redis_address, good[i]);
	}
}

static void a_password_among_the_settings_is_refused_and_not_repeated(void **state)
{
	static const char *const refused[] = {
		"host=db password=geheim",	   "password = 'geheim' host=db",
		"host=db sslpassword=geheim",	   "postgresql://u:geheim@db/pensum",
		"postgres://db/p?password=geheim",
	};
	static const char *const right[] = { "host=db dbname=password",
					     "postgresql://u@db:5432/pensum",
					     "postgresql://db:5432/pensum",
					     "passfile=/etc/pensum/pgpass host=db" };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CLEANUP_FREE char *text = mem_printf("postgres.conninfo = %s\n", refused[i]);

		assert_int_equal(settings_load_text(&s, "f", text, &err), -EINVAL);
		assert_non_null(strstr(err.text, "postgres.password_file"));
		assert_null(strstr(err.text, "geheim"));
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		CLEANUP_FREE char *text = mem_printf("postgres.conninfo = %s\n", right[i]);

		assert_int_equal(settings_load_text(&s, "f", text, &err), 0);
	}
}

static void the_environment_wins_and_is_checked(void **state)
{
	char *good[] = { "PATH=/bin", "PENSUM_GATEWAY_LISTEN=127.0.0.1:1",
			 "PENSUM_POOL_MAX_PAGES=9", NULL };
	char *unknown[] = { "PENSUM_GATEWAY_LISTN=x", NULL };

	(void)state;
	assert_int_equal(settings_load_env(&s, good, &err), 0);
	assert_string_equal(s.gateway_listen, "127.0.0.1:1");
	assert_int_equal(s.pool_max_pages, 9);
	assert_int_equal(settings_load_env(&s, unknown, &err), -EINVAL);
	assert_non_null(strstr(err.text, "PENSUM_GATEWAY_LISTN"));
}

static void what_is_printed_can_be_read_again(void **state)
{
	struct settings again;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(
		settings_load_text(&s, "f", "site.name = Ünï = #1\nsession.ttl_s = 99", &err), 0);
	settings_print(&s, out);
	fclose(out);
	settings_init(&again);
	assert_int_equal(settings_load_text(&again, "printed", text, &err), 0);
	assert_string_equal(again.site.name, s.site.name);
	assert_int_equal(again.session_ttl_s, 99);
	settings_done(&again);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_are_those_of_the_table, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_sets_values_and_ignores_comments, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_unknown_key_names_file_and_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_key_that_stands_twice_names_both_lines, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bad_value_tells_what_is_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_that_no_path_fits_behind_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_without_a_port_that_can_be_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_password_among_the_settings_is_refused_and_not_repeated, setup, teardown),
		cmocka_unit_test_setup_teardown(the_environment_wins_and_is_checked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_printed_can_be_read_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
