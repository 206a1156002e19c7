/* A Redis that is a socket of the same loop: it reads when it is told to, and answers each command
 * with its number. */
#include "redisloop.h"

#include <event2/listener.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"

#define MANY	  400
#define BIG_BYTES 10000

struct fixture {
	struct event_base *base;
	struct settings settings;
	struct sockaddr_un at;
	struct evconnlistener *listener;
	struct event *readable;
	int fd;
	struct buf heard;
	int reads, commands;
	struct redisloop *redis;
	int answers, losses;
};

/* Bytes of the first command in text; 0: it is not whole yet. */
static size_t command_len(const char *text, size_t len)
{
	const char *at = text;
	long words = strtol(at + 1, NULL, 10);

	for (long i = 0; i <= words; i++) {
		const char *end = memchr(at, '\n', len - (size_t)(at - text));
		long bytes;

		if (end == NULL)
			return 0;
		bytes = *at == '$' ? strtol(at + 1, NULL, 10) + 2 : 0;
		at = end + 1 + bytes;
		if ((size_t)(at - text) > len)
			return 0;
	}
	return (size_t)(at - text);
}

static void answer(struct fixture *f, const char *command)
{
	char text[32];
	int len = snprintf(text, sizeof(text),
			   strstr(command, "PING") == NULL ? ":%d\r\n" : "+PONG\r\n", f->commands);

	assert_int_equal(write(f->fd, text, (size_t)len), len);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static char text[1 << 20];
	struct fixture *f = arg;
	ssize_t n = read(fd, text, sizeof(text));
	size_t from = 0, len;

	(void)what;
	if (n <= 0)
		return;
	f->reads++;
	buf_add(&f->heard, text, (size_t)n);
	while (from < f->heard.len &&
	       (len = command_len(f->heard.data + from, f->heard.len - from)) > 0) {
		answer(f, f->heard.data + from);
		f->commands++;
		from += len;
	}
	memmove(f->heard.data, f->heard.data + from, f->heard.len - from);
	f->heard.len -= from;
	f->heard.data[f->heard.len] = '\0';
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
		      void *arg)
{
	struct fixture *f = arg;

	(void)l;
	(void)from;
	(void)len;
	f->fd = fd;
	f->readable = event_new(f->base, fd, EV_READ | EV_PERSIST, on_readable, f);
	event_add(f->readable, NULL);
}

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	char address[120];

	f->base = event_base_new();
	settings_init(&f->settings);
	f->at.sun_family = AF_UNIX;
	snprintf(f->at.sun_path, sizeof(f->at.sun_path), "/tmp/pensum-redis-%d", (int)getpid());
	unlink(f->at.sun_path);
	f->listener = evconnlistener_new_bind(f->base, on_accept, f, LEV_OPT_CLOSE_ON_FREE, -1,
					      (struct sockaddr *)&f->at, sizeof(f->at));
	assert_non_null(f->listener);
	snprintf(address, sizeof(address), "unix:%s", f->at.sun_path);
	free(f->settings.redis_address);
	f->settings.redis_address = mem_strdup(address);
	assert_int_equal(redisloop_new(f->base, &f->settings, NULL, NULL, &f->redis, NULL), 0);
	while (!redisloop_is_up(f->redis))
		event_base_loop(f->base, EVLOOP_ONCE);
	f->reads = f->commands = 0;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	redisloop_free(f->redis);
	if (f->readable != NULL) {
		event_free(f->readable);
		close(f->fd);
	}
	evconnlistener_free(f->listener);
	unlink(f->at.sun_path);
	buf_done(&f->heard);
	settings_done(&f->settings);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void on_answer(const struct redis_reply *reply, void *arg)
{
	struct fixture *f = arg;

	if (reply == NULL) {
		f->losses++;
		return;
	}
	assert_int_equal(redis_integer(reply), f->answers);
	f->answers++;
}

static void say(struct fixture *f, const char *text)
{
	const char *argv[] = { "SET", "a", text };

	assert_int_equal(redisloop_command(f->redis, 0, 3, argv, on_answer, f, NULL), 0);
}

static void say_much(struct fixture *f)
{
	char text[BIG_BYTES + 1];

	memset(text, 'x', BIG_BYTES);
	text[BIG_BYTES] = '\0';
	for (int i = 0; i < MANY; i++)
		say(f, text);
	for (int i = 0; i < 5; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	say(arg, "1");
	say(arg, "2");
}

static void what_a_turn_sends_goes_out_at_its_end_in_one_piece(void **state)
{
	static const struct timeval now = { 0, 0 };
	struct fixture *f = *state;
	int there = 0;

	event_base_once(f->base, -1, EV_TIMEOUT, on_turn, f, &now);
	event_base_loop(f->base, EVLOOP_ONCE);
	ioctl(f->fd, FIONREAD, &there);
	assert_true(there > 0);
	while (f->answers < 2)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(f->reads, 1);
}

static void what_is_flushed_has_gone_out_before_the_turn_goes_on(void **state)
{
	struct fixture *f = *state;
	int there = 0;

	say(f, "1");
	ioctl(f->fd, FIONREAD, &there);
	assert_int_equal(there, 0);
	redisloop_flush(f->redis);
	ioctl(f->fd, FIONREAD, &there);
	assert_true(there > 0);
	say(f, "2");
	while (f->answers < 2)
		event_base_loop(f->base, EVLOOP_ONCE);
	redisloop_flush(f->redis); /* of nothing */
	assert_int_equal(f->commands, 2);
}

static void what_is_flushed_to_one_who_has_left_is_lost_once(void **state)
{
	struct fixture *f = *state;

	event_free(f->readable);
	f->readable = NULL;
	close(f->fd);
	say(f, "1");
	redisloop_flush(f->redis);
	while (f->losses < 1)
		event_base_loop(f->base, EVLOOP_ONCE);
	redisloop_flush(f->redis);
	assert_int_equal(f->losses, 1);
}

static void what_the_socket_does_not_take_goes_out_when_it_does(void **state)
{
	struct fixture *f = *state;

	event_del(f->readable);
	say_much(f);
	assert_int_equal(f->answers, 0);
	event_add(f->readable, NULL);
	while (f->answers < MANY)
		event_base_loop(f->base, EVLOOP_ONCE);
	say(f, "more");
	while (f->answers < MANY + 1)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(f->commands, MANY + 1);
	assert_int_equal(f->losses, 0);
}

static void who_is_left_in_the_middle_of_it_hears_so_once_for_each(void **state)
{
	struct fixture *f = *state;

	event_del(f->readable);
	say_much(f);
	event_free(f->readable);
	f->readable = NULL;
	close(f->fd);
	while (f->losses < MANY)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_false(redisloop_is_up(f->redis));
	while (!redisloop_is_up(f->redis))
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(f->losses, MANY);
	assert_int_equal(f->answers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_turn_sends_goes_out_at_its_end_in_one_piece,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_flushed_has_gone_out_before_the_turn_goes_on,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_flushed_to_one_who_has_left_is_lost_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_socket_does_not_take_goes_out_when_it_does,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_is_left_in_the_middle_of_it_hears_so_once_for_each, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
