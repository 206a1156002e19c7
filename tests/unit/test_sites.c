#include "sites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"
#include "settings.h"

#include "cmocka_all.h"

static struct settings s;
static struct error err;
static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/pensum-sites-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	settings_init(&s);
	free(s.sites_dir);
	s.sites_dir = mem_strdup(folder);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	settings_done(&s);
	return file_remove_tree(folder, NULL);
}

static void put(const char *name, const char *text)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void refuses(const char *name, const char *text, const char *where, const char *why)
{
	put(name, text);
	assert_true(sites_load(&s, &err) < 0);
	if (strstr(err.text, where) == NULL || strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.text, where, why);
	sites_done(&s);
}

static void the_one_site_of_the_settings_is_the_default(void **state)
{
	(void)state;
	assert_int_equal(sites_count(&s), 0);
	assert_null(sites_find(&s, "default"));
	settings_load_text(&s, "f", "site.name = One\nsite.url = http://one", NULL);
	assert_int_equal(sites_load(&s, &err), 0);
	assert_int_equal(sites_count(&s), 1);
	assert_ptr_equal(sites_at(&s, 0), sites_find(&s, "default"));
	assert_string_equal(sites_at(&s, 0)->name, "One");
}

static void each_file_is_a_site_with_its_own_settings(void **state)
{
	(void)state;
	settings_load_text(&s, "f",
			   "site.name = One\nsite.url = http://one\nsite.login_path = /one", NULL);
	put("zoo.conf", "# ours\nname = Zoo\nurl = https://zoo/moodle\nlogin_path = /zoo\n");
	put("art-2.conf", "name = Art\nurl = https://art\nuser_agent_suffix =\n");
	put("zoo.conf.dpkg-old", "nonsense");
	put(".hidden.conf", "nonsense");
	assert_int_equal(sites_load(&s, &err), 0);
	assert_int_equal(sites_count(&s), 3);
	assert_string_equal(sites_at(&s, 0)->id, "default");
	assert_string_equal(sites_at(&s, 1)->id, "art-2");
	assert_string_equal(sites_at(&s, 2)->id, "zoo");
	assert_string_equal(sites_find(&s, "zoo")->url, "https://zoo/moodle");
	assert_string_equal(sites_find(&s, "zoo")->login_path, "/zoo");
	/* not what is set for another one */
	assert_string_equal(sites_find(&s, "art-2")->login_path, "/login/index.php");
	assert_string_equal(sites_find(&s, "art-2")->user_agent_suffix, "");
	assert_null(sites_find(&s, "http://one"));
}

static void files_alone_are_enough(void **state)
{
	(void)state;
	put("zoo.conf", "name = Zoo\nurl = https://zoo");
	assert_int_equal(sites_load(&s, &err), 0);
	assert_int_equal(sites_count(&s), 1);
	assert_string_equal(sites_at(&s, 0)->id, "zoo");
	assert_null(sites_find(&s, "default"));
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
	(void)state;
	refuses("a.conf", "name = A\nurl = http://a\nnaem = B\n", "a.conf:3", "naem");
	refuses("a.conf", "name = A\nurl = a.example\n", "a.conf:2", "http://");
	refuses("a.conf", "name = A\n", "a.conf", "url is not set");
	refuses("a.conf", "url = http://a\n", "a.conf", "name is not set");
	refuses("a.conf", "name = A\nurl = http://a\ngateway.listen = :1\n", "a.conf:3",
		"unknown key");
	put("a.conf", "name = A\nurl = http://a\n");
	refuses("b.conf", "name = B\nurl = HTTP://a\n", "b.conf:2", "http://");
	refuses("b.conf", "name = B\nurl = http://A\n", "b.conf", "site \"a\" has the same");
	refuses("b.conf", "name = A\nurl = http://b\n", "b.conf", "site \"a\" has the same");
}

static void an_id_is_short_and_plain(void **state)
{
	static const char *const good[] = { "a", "0-9", "abcdefghijklmnopqrstuvwxyz012345" };
	static const char *const bad[] = {
		"", "A", "a.b", "a_b", "a/b", "ä", "abcdefghijklmnopqrstuvwxyz0123456"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(site_id_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(site_id_is_valid(bad[i]));
	refuses("default.conf", "name = A\nurl = http://a\n", "default.conf", "id");
	put("default.conf.off", "");
}

static void a_site_too_many_is_refused(void **state)
{
	(void)state;
	for (int i = 0; i < SITES_MAX; i++) {
		CLEANUP_FREE char *name = mem_printf("s%d.conf", i);
		CLEANUP_FREE char *text = mem_printf("name = S%d\nurl = http://s%d\n", i, i);

		put(name, text);
	}
	assert_int_equal(sites_load(&s, &err), 0);
	assert_int_equal(sites_count(&s), SITES_MAX);
	sites_done(&s);
	refuses("more.conf", "name = More\nurl = http://more\n", folder, "64");
}

static void a_folder_that_is_named_must_be_there(void **state)
{
	(void)state;
	free(s.sites_dir);
	s.sites_dir = mem_printf("%s/none", folder);
	assert_int_equal(sites_load(&s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "sites.dir"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_one_site_of_the_settings_is_the_default, setup,
						teardown),
		cmocka_unit_test_setup_teardown(each_file_is_a_site_with_its_own_settings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(files_alone_are_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_told_with_file_and_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_id_is_short_and_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(a_site_too_many_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_is_named_must_be_there, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
