#include "hasher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"
#include "mem.h"

struct fixture {
	struct settings settings;
	struct vault *vault;
	struct event_base *base;
	struct hasher *hasher;
	char key[64];
	char verifier[VAULT_VERIFIER_MAX];
	char user[VAULT_USER_ID];
};

struct tally {
	int yes, no;
};

static void count(bool ok, void *arg)
{
	struct tally *t = arg;

	*(ok ? &t->yes : &t->no) += 1;
}

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	const char *hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

	settings_init(&f->settings);
	snprintf(f->key, sizeof(f->key), "/tmp/pensum-key-%d", (int)getpid());
	assert_int_equal(file_write_atomic(f->key, hex, strlen(hex), 0600, NULL), 0);
	free(f->settings.key_file);
	f->settings.key_file = mem_strdup(f->key);
	assert_int_equal(vault_open(&f->settings, &f->vault, NULL), 0);
	vault_user_id(f->vault, "https://moodle.example", "ada", f->user);
	assert_int_equal(vault_make_verifier(f->vault, f->user, "right", f->verifier, NULL), 0);
	f->base = event_base_new();
	assert_int_equal(hasher_new(f->base, f->vault, &f->hasher, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	hasher_free(f->hasher);
	event_base_free(f->base);
	vault_free(f->vault);
	unlink(f->key);
	settings_done(&f->settings);
	free(f);
	return 0;
}

static int check(struct fixture *f, const char *password, struct tally *t)
{
	return hasher_check(f->hasher, f->user, password, f->verifier, count, t, NULL);
}

static void answers_come_from_the_loop(void **state)
{
	struct fixture *f = *state;
	struct tally t = { 0 };

	assert_int_equal(check(f, "right", &t), 0);
	assert_int_equal(check(f, "wrong", &t), 0);
	usleep(300000);
	assert_int_equal(t.yes + t.no, 0);
	while (t.yes + t.no < 2)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(t.yes, 1);
	assert_int_equal(t.no, 1);
}

static void a_full_queue_refuses_and_closing_answers_each_once(void **state)
{
	struct fixture *f = *state;
	struct tally t = { 0 };
	int taken = 0, r;

	while ((r = check(f, "right", &t)) == 0)
		taken++;
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(taken, HASHER_QUEUE_MAX);
	hasher_close(f->hasher);
	assert_int_equal(t.yes + t.no, taken);
	assert_true(t.no > 0);
	assert_int_equal(check(f, "right", &t), -ESHUTDOWN);
	assert_int_equal(t.yes + t.no, taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_come_from_the_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_closing_answers_each_once,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
