/* Messages over a socket or pipes, as browser-pool reads and writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "frames.h"
#include "mem.h"

#define LIMIT 1000
#define LARGE (3 * 1024 * 1024) /* many times what a socket holds */

struct fixture {
	struct event_base *base;
	struct frames *frames;
	int peer;      /* reads from it */
	int peer_says; /* and writes to it: another one with pipes */
	bool inside; /* a call of ours into frames */

	struct buf said; /* what the callbacks were told, one line each */
	size_t last_len;
	bool free_on_message, finish_on_message;
};

static void say(struct fixture *x, const char *word, const char *text, size_t len)
{
	assert_false(x->inside);
	buf_printf(&x->said, "%s %.*s\n", word, (int)MIN(len, 40), text);
}

static void on_message(void *arg, const char *text, size_t len)
{
	struct fixture *x = arg;

	assert_int_equal(text[len], '\0');
	say(x, "message", text, len);
	x->last_len = len;
	if (x->free_on_message) {
		frames_free(x->frames);
		x->frames = NULL;
	} else if (x->finish_on_message) {
		frames_finish(x->frames);
	}
}

static void on_large(void *arg, const char *tail, size_t len)
{
	assert_true(len <= FRAMES_TAIL_BYTES);
	say(arg, "large", tail + len - MIN(len, 5), MIN(len, 5));
}

static void on_ended(void *arg)
{
	say(arg, "ended", "", 0);
}

static void on_finished(void *arg)
{
	say(arg, "finished", "", 0);
}

static void begin_on(struct fixture *x, struct frames_ends ends, struct frames_limits limits)
{
	struct frames_owner owner = { .message = on_message,
				      .too_large = on_large,
				      .ended = on_ended,
				      .finished = on_finished,
				      .arg = x };

	x->base = event_base_new();
	x->said = (struct buf)BUF_INIT;
	x->frames = frames_new(x->base, ends, limits, &owner);
}

static void begin(struct fixture *x, struct frames_limits limits)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*x = (struct fixture){ .peer = pair[1], .peer_says = pair[1] };
	begin_on(x, (struct frames_ends){ pair[0], pair[0] }, limits);
}

static void begin_pipes(struct fixture *x, struct frames_limits limits)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	*x = (struct fixture){ .peer = out[0], .peer_says = in[1] };
	begin_on(x, (struct frames_ends){ in[0], out[1] }, limits);
}

static void end(struct fixture *x)
{
	frames_free(x->frames);
	if (x->peer >= 0)
		close(x->peer);
	event_base_free(x->base);
	buf_done(&x->said);
}

static void turn(struct fixture *x)
{
	event_base_loop(x->base, EVLOOP_NONBLOCK);
}

/* The peer writes, and what comes of it happens. */
static void peer_writes(struct fixture *x, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(x->peer_says, data, len);

		assert_true(n > 0 || errno == EAGAIN);
		turn(x);
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	turn(x);
}

static void peer_says(struct fixture *x, const char *text)
{
	peer_writes(x, text, strlen(text));
}

/* All that there is for the peer, until nothing comes any more. */
static void peer_reads(struct fixture *x, struct buf *to)
{
	char some[8192];

	for (int quiet = 0; quiet < 3;) {
		ssize_t n = read(x->peer, some, sizeof(some));

		quiet = n > 0 ? 0 : quiet + 1;
		buf_add(to, some, n > 0 ? (size_t)n : 0);
		turn(x);
	}
}

static void send_text(struct fixture *x, const char *text, size_t len)
{
	x->inside = true;
	frames_send(x->frames, text, len);
	x->inside = false;
}

static char *make_text(size_t len)
{
	char *text = mem_zalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i % 23);
	return text;
}

static const struct frames_limits small = { .max_message = LIMIT };
static const struct frames_limits whole = { .max_message = LIMIT, .wait_for_end = true };
static const struct frames_limits for_people = { .max_message = LIMIT, .newline = true };
static const struct frames_limits ample = { .max_message = 2 * LARGE };

static void test_messages_may_come_together_or_in_pieces(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, small);
	peer_writes(&x, "one\0two\0th", 10);
	assert_string_equal(x.said.data, "message one\nmessage two\n");
	peer_says(&x, "re");
	peer_writes(&x, "e\0\0fo", 5);
	peer_writes(&x, "ur\0", 3);
	assert_string_equal(x.said.data, "message one\nmessage two\nmessage three\nmessage \n"
					 "message four\n");
	assert_int_equal(frames_read_bytes(x.frames), 20);
	end(&x);
}

static void test_a_person_may_end_a_message_with_a_newline(void **state)
{
	struct fixture x;
	CLEANUP(buf_done) struct buf got = BUF_INIT;

	(void)state;
	begin(&x, for_people);
	peer_says(&x, "on");
	assert_false(frames_speaks_newline(x.frames));
	peer_says(&x, "e\ntwo\n");
	assert_string_equal(x.said.data, "message one\nmessage two\n");
	assert_true(frames_speaks_newline(x.frames));
	send_text(&x, "answer", 6);
	peer_reads(&x, &got);
	assert_string_equal(got.data, "answer\n");
	end(&x);
}

static void test_a_large_message_comes_as_one(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	struct fixture x;

	(void)state;
	begin(&x, ample);
	peer_writes(&x, text, LARGE + 1);
	peer_writes(&x, "next\0", 5);
	assert_string_equal(x.said.data, "message abcdefghijklmnopqrstuvwabcdefghijklmnopq\n"
					 "message next\n");
	end(&x);
}

static void test_over_the_limit_the_owner_is_told_at_once(void **state)
{
	CLEANUP_FREE char *text = make_text(LIMIT + 1);
	struct fixture x;

	(void)state;
	begin(&x, small);
	peer_writes(&x, text, LIMIT);
	assert_string_equal(x.said.data, "");
	peer_says(&x, "12345");
	assert_string_equal(x.said.data, "large 12345\n");
	peer_writes(&x, "678\0next\0", 9);
	assert_string_equal(x.said.data, "large 12345\nmessage next\n");
	end(&x);
}

static void test_over_the_limit_the_end_is_waited_for_and_its_tail_told(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	struct fixture x;

	(void)state;
	begin(&x, whole);
	peer_writes(&x, text, LARGE);
	assert_string_equal(x.said.data, "");
	peer_says(&x, "12");
	peer_writes(&x, "345\0next\0", 9);
	assert_string_equal(x.said.data, "large 12345\nmessage next\n");
	end(&x);
}

static void test_what_is_sent_keeps_its_order_whatever_its_size(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	CLEANUP(buf_done) struct buf got = BUF_INIT, expected = BUF_INIT;
	struct fixture x;

	(void)state;
	begin(&x, small);
	for (int i = 0; i < 4; i++) {
		size_t len = i % 2 ? LARGE : 10;

		send_text(&x, text, len);
		buf_add(&expected, text, len + 1);
		expected.data[expected.len - 1] = '\0';
	}
	peer_reads(&x, &got);
	assert_int_equal(got.len, expected.len);
	assert_memory_equal(got.data, expected.data, got.len);
	assert_int_equal(frames_unsent_bytes(x.frames), 0);
	assert_int_equal(frames_written_bytes(x.frames), expected.len);
	end(&x);
}

static void test_pieces_are_one_message(void **state)
{
	struct cdp_pieces pieces = { .at = { { "one", 3 }, { "+two", 4 } },
				     .count = 2,
				     .bytes = 7 };
	CLEANUP(buf_done) struct buf got = BUF_INIT;
	struct fixture x;

	(void)state;
	begin(&x, small);
	frames_send_pieces(x.frames, &pieces);
	send_text(&x, "three", 5);
	assert_int_equal(frames_unsent_bytes(x.frames), 14);
	peer_reads(&x, &got);
	assert_int_equal(got.len, 14);
	assert_memory_equal(got.data, "one+two\0three\0", 14);
	end(&x);
}

static void test_the_owner_may_free_it_in_a_callback(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, small);
	x.free_on_message = true;
	peer_writes(&x, "one\0two\0", 8);
	assert_string_equal(x.said.data, "message one\n");
	end(&x);
}

static void test_after_the_finish_all_is_written_and_nothing_heard(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	CLEANUP(buf_done) struct buf got = BUF_INIT;
	struct fixture x;

	(void)state;
	begin(&x, small);
	x.finish_on_message = true;
	send_text(&x, text, LARGE);
	peer_writes(&x, "one\0two\0", 8);
	send_text(&x, "not any more", 12);
	peer_says(&x, "three");
	assert_string_equal(x.said.data, "message one\n");
	peer_reads(&x, &got);
	assert_int_equal(got.len, LARGE + 1);
	assert_string_equal(x.said.data, "message one\nfinished \n");
	assert_int_equal(read(x.peer, text, 1), 0);
	close(x.peer);
	x.peer = -1;
	turn(&x);
	turn(&x);
	assert_string_equal(x.said.data, "message one\nfinished \nended \n");
	end(&x);
}

static void test_a_peer_that_is_gone_is_told_once_and_ends_the_finish(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	struct fixture x;

	(void)state;
	begin(&x, small);
	send_text(&x, text, LARGE);
	turn(&x);
	frames_finish(x.frames);
	close(x.peer);
	x.peer = -1;
	for (int i = 0; i < 5; i++)
		turn(&x);
	assert_non_null(strstr(x.said.data, "ended"));
	assert_null(strstr(strstr(x.said.data, "ended") + 1, "ended"));
	assert_non_null(strstr(x.said.data, "finished"));
	send_text(&x, "nobody hears", 12);
	assert_int_equal(frames_unsent_bytes(x.frames), 0);
	end(&x);
}

static void test_a_peer_that_closes_its_direction_still_gets_answers(void **state)
{
	CLEANUP(buf_done) struct buf got = BUF_INIT;
	struct fixture x;

	(void)state;
	begin(&x, small);
	peer_writes(&x, "one\0half", 8);
	shutdown(x.peer, SHUT_WR);
	turn(&x);
	turn(&x);
	assert_string_equal(x.said.data, "message one\nended \n");
	send_text(&x, "answer", 6);
	peer_reads(&x, &got);
	assert_string_equal(got.data, "answer");
	end(&x);
}

static void test_messages_come_by_one_pipe_and_go_by_another(void **state)
{
	CLEANUP_FREE char *text = make_text(LARGE);
	CLEANUP(buf_done) struct buf got = BUF_INIT;
	struct fixture x;

	(void)state;
	begin_pipes(&x, ample);
	peer_writes(&x, "one\0two\0", 8);
	assert_string_equal(x.said.data, "message one\nmessage two\n");
	send_text(&x, "first", 5);
	send_text(&x, text, LARGE);
	peer_reads(&x, &got);
	assert_int_equal(got.len, 6 + LARGE + 1);
	assert_memory_equal(got.data + 6, text, LARGE + 1);
	assert_int_equal(frames_unsent_bytes(x.frames), 0);
	close(x.peer_says);
	turn(&x);
	turn(&x);
	assert_string_equal(x.said.data, "message one\nmessage two\nended \n");
	end(&x);
}

static void test_a_reader_of_the_pipe_that_is_gone_is_told_once_and_both_are_closed(void **state)
{
	struct fixture x;

	(void)state;
	begin_pipes(&x, small);
	close(x.peer);
	x.peer = -1;
	send_text(&x, "nobody hears", 12);
	turn(&x);
	turn(&x);
	assert_string_equal(x.said.data, "ended \n");
	frames_free(x.frames);
	x.frames = NULL;
	assert_int_equal(write(x.peer_says, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(x.peer_says);
	end(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_may_come_together_or_in_pieces),
		cmocka_unit_test(test_a_person_may_end_a_message_with_a_newline),
		cmocka_unit_test(test_a_large_message_comes_as_one),
		cmocka_unit_test(test_over_the_limit_the_owner_is_told_at_once),
		cmocka_unit_test(test_over_the_limit_the_end_is_waited_for_and_its_tail_told),
		cmocka_unit_test(test_what_is_sent_keeps_its_order_whatever_its_size),
		cmocka_unit_test(test_pieces_are_one_message),
		cmocka_unit_test(test_the_owner_may_free_it_in_a_callback),
		cmocka_unit_test(test_after_the_finish_all_is_written_and_nothing_heard),
		cmocka_unit_test(test_a_peer_that_is_gone_is_told_once_and_ends_the_finish),
		cmocka_unit_test(test_a_peer_that_closes_its_direction_still_gets_answers),
		cmocka_unit_test(test_messages_come_by_one_pipe_and_go_by_another),
		cmocka_unit_test(
			test_a_reader_of_the_pipe_that_is_gone_is_told_once_and_both_are_closed),
	};

	signal(SIGPIPE, SIG_IGN); /* as daemon_prepare() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
