#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "buf.h"
#include "fd.h"
#include "file.h"
#include "mem.h"
#include "store.h"

struct fixture {
	char dir[64];
	struct settings settings;
	struct store *store;
};

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/pensum-store-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	settings_init(&f->settings);
	free(f->settings.documents_dir);
	f->settings.documents_dir = mem_printf("%s/a/documents", f->dir);
	*state = f;
	return store_open(&f->settings, &f->store, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_free(f->store);
	store_free(NULL);
	settings_done(&f->settings);
	file_remove_tree(f->dir, NULL);
	free(f);
	return 0;
}

static int exists(const struct fixture *f, const char *name)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", f->settings.documents_dir, name);

	return access(path, F_OK) == 0;
}

static void assert_object(struct store *st, const char *key, const char *text)
{
	CLEANUP(fd_close) int fd = -1;
	char got[64] = "";
	uint64_t size = 0;

	assert_int_equal(store_open_object(st, key, &fd, &size, NULL), 0);
	assert_int_equal(size, strlen(text));
	assert_int_equal(read(fd, got, sizeof(got) - 1), (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static void what_was_put_is_read_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_put(f->store, "3f/9c-1.docx", "one", 3, NULL), 0);
	assert_object(f->store, "3f/9c-1.docx", "one");
}

static void a_second_put_replaces_the_object(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_put(f->store, "x.docx", "one", 3, NULL), 0);
	assert_int_equal(store_put(f->store, "x.docx", "second", 6, NULL), 0);
	assert_object(f->store, "x.docx", "second");
}

static void the_group_reads_whatever_the_umask_is(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *dir = mem_printf("%s/u1", f->settings.documents_dir);
	CLEANUP_FREE char *file = mem_printf("%s/u1/a.docx", f->settings.documents_dir);
	mode_t before = umask(0077);
	struct stat info;

	assert_int_equal(store_put(f->store, "u1/a.docx", "x", 1, NULL), 0);
	umask(before);
	assert_int_equal(stat(dir, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0750);
	assert_int_equal(stat(file, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0640);
}

static void an_absent_object_is_enoent(void **state)
{
	struct fixture *f = *state;
	struct error err = {0};
	uint64_t size = 7;
	int fd = -1;

	assert_int_equal(store_open_object(f->store, "no/such.docx", &fd, &size, &err), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_int_equal(fd, -1);
	assert_int_equal(store_put(f->store, "d/x", "1", 1, NULL), 0);
	assert_int_equal(store_open_object(f->store, "d", &fd, &size, NULL), -ENOENT);
}

static void bad_keys_are_refused_everywhere(void **state)
{
	static const char *const bad[] = {
		"",	 "/",	 "/etc/passwd", "..",	       "../x", "a/../x",
		"a/./x", ".tmp", "a/.x.tmp",	"a//b",	       "a/",   "A.docx",
		"a b",	 "a\\b", "a\nb",	"caf\xc3\xa9", "a%2e", "a?b",
	};
	struct fixture *f = *state;
	CLEANUP_FREE char *long_key = mem_zalloc(300);
	uint64_t size;
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(store_put(f->store, bad[i], "x", 1, NULL), -EINVAL);
		assert_int_equal(store_open_object(f->store, bad[i], &fd, &size, NULL), -EINVAL);
		assert_int_equal(store_delete(f->store, bad[i], NULL), -EINVAL);
	}
	memset(long_key, 'a', 299);
	assert_int_equal(store_put(f->store, long_key, "x", 1, NULL), -EINVAL);
}

static void links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *link_file = mem_printf("%s/link", f->settings.documents_dir);
	CLEANUP_FREE char *link_dir = mem_printf("%s/dir", f->settings.documents_dir);
	CLEANUP_FREE char *outside = mem_printf("%s/outside", f->dir);
	uint64_t size;
	int fd;

	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink("/etc/passwd", link_file), 0);
	assert_int_equal(symlink(outside, link_dir), 0);
	assert_int_equal(store_open_object(f->store, "link", &fd, &size, NULL), -ELOOP);
	assert_true(store_put(f->store, "dir/x", "x", 1, NULL) < 0);
	assert_true(store_delete(f->store, "dir/x", NULL) < 0);
	/* A put replaces the link itself, not what it points to. */
	assert_int_equal(store_put(f->store, "link", "mine", 4, NULL), 0);
	assert_object(f->store, "link", "mine");
}

static void deleting_twice_is_fine_and_takes_empty_folders_along(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_put(f->store, "u/j/1", "x", 1, NULL), 0);
	assert_int_equal(store_put(f->store, "u/j/2", "x", 1, NULL), 0);
	assert_int_equal(store_delete(f->store, "u/j/1", NULL), 0);
	assert_true(exists(f, "u/j/2"));
	assert_int_equal(store_delete(f->store, "u/j/2", NULL), 0);
	assert_int_equal(store_delete(f->store, "u/j/2", NULL), 0);
	assert_false(exists(f, "u"));
	assert_true(exists(f, ""));
}

static void a_failed_put_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_put(f->store, "d/x", "1", 1, NULL), 0);
	/* A folder stands where the object should go: the rename fails. */
	assert_true(store_put(f->store, "d", "1", 1, NULL) < 0);
	assert_int_equal(store_delete(f->store, "d/x", NULL), 0);
	assert_int_equal(rmdir(f->settings.documents_dir), 0);
}

static void objects_are_listed_in_portions_each_once(void **state)
{
	static const char *const keys[] = { "a.docx", "u-1/x.docx", "u/j/1.docx", "u/j/2.docx",
					    "u/z.docx", "u1/a.docx", "zz" };
	struct fixture *f = *state;
	struct store_entry found[3];
	char after[STORE_KEY_SIZE] = "", seen[200] = "";
	int n, portions = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(store_put(f->store, keys[ARRAY_LEN(keys) - 1 - i], "x", 1, NULL),
				 0);
	while ((n = store_list(f->store, after, found, 3, NULL)) > 0 && portions++ < 10) {
		for (int i = 0; i < n; i++) {
			strcat(strcat(seen, found[i].key), " ");
			assert_true(found[i].age_s >= 0 && found[i].age_s < 100);
		}
		snprintf(after, sizeof(after), "%s", found[n - 1].key);
	}
	assert_string_equal(seen, "a.docx u/j/1.docx u/j/2.docx u/z.docx u-1/x.docx u1/a.docx zz ");
	assert_int_equal(portions, 3);
	/* What went meanwhile is no stumbling block. */
	assert_int_equal(store_delete(f->store, "u/j/2.docx", NULL), 0);
	assert_int_equal(store_list(f->store, "u/j/2.docx", found, 1, NULL), 1);
	assert_string_equal(found[0].key, "u/z.docx");
	assert_int_equal(store_list(f->store, "zz", found, 3, NULL), 0);
}

static void plant(const struct fixture *f, const char *name, time_t age_s)
{
	CLEANUP_FREE char *path = mem_printf("%s/%s", f->settings.documents_dir, name);
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_s },
				     { .tv_sec = time(NULL) - age_s } };
	CLEANUP(fd_close) int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
}

static void half_written_files_go_when_they_are_old_and_nothing_else_does(void **state)
{
	static const char old[] = ".0123456789abcdef.tmp", new[] = ".0123456789abcdee.tmp";
	struct fixture *f = *state;
	struct store_entry found[8];

	plant(f, old, STORE_STALE_S + 10);
	plant(f, new, 10);
	plant(f, ".hidden", STORE_STALE_S + 10);
	plant(f, "Not A Key", STORE_STALE_S + 10);
	plant(f, "key.docx", STORE_STALE_S + 10);
	assert_int_equal(store_list(f->store, "", found, 8, NULL), 1);
	assert_string_equal(found[0].key, "key.docx");
	assert_true(found[0].age_s > STORE_STALE_S);
	assert_false(exists(f, old));
	assert_true(exists(f, new) && exists(f, ".hidden") && exists(f, "Not A Key"));
}

static void a_listing_leaves_the_folder_by_no_link(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *link = mem_printf("%s/etc", f->settings.documents_dir);
	struct store_entry found[8];

	assert_int_equal(symlink("/etc", link), 0);
	assert_int_equal(store_list(f->store, "", found, 8, NULL), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_read_again),
		TEST(a_second_put_replaces_the_object),
		TEST(the_group_reads_whatever_the_umask_is),
		TEST(an_absent_object_is_enoent),
		TEST(bad_keys_are_refused_everywhere),
		TEST(links_are_not_followed),
		TEST(deleting_twice_is_fine_and_takes_empty_folders_along),
		TEST(a_failed_put_leaves_nothing_behind),
		TEST(objects_are_listed_in_portions_each_once),
		TEST(half_written_files_go_when_they_are_old_and_nothing_else_does),
		TEST(a_listing_leaves_the_folder_by_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
