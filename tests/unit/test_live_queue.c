#include "live_queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define JOB_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define JOB_B "bbbbbbbbbbbbbbbbbbbbbbbb"

static int push(struct live_queue *q, const char *text, const char *job, bool replaceable)
{
	struct live_frame *frame = live_frame_new(json_pack("[s]", text));
	int r = live_queue_push(q, frame, job, replaceable);

	live_frame_unref(frame);
	return r;
}

static void expect(struct live_queue *q, const char *text)
{
	struct live_frame *frame = live_queue_take(q);

	assert_non_null(frame);
	assert_int_equal(frame->len, strlen(text) + 4); /* ["…"] */
	assert_memory_equal(frame->text + 2, text, strlen(text));
	live_frame_unref(frame);
}

static void progress_that_waits_is_replaced_in_its_place(void **state)
{
	struct live_queue q;

	(void)state;
	live_queue_init(&q);
	push(&q, "a1", JOB_A, true);
	push(&q, "b1", JOB_B, true);
	assert_int_equal(push(&q, "a2", JOB_A, true), 1);
	push(&q, "pong", NULL, false);
	push(&q, "b2", JOB_B, true);
	assert_int_equal(q.count, 3);
	assert_int_equal(q.bytes, 6 + 6 + 8);
	expect(&q, "a2");
	expect(&q, "b2");
	expect(&q, "pong");
	assert_null(live_queue_take(&q));
	assert_int_equal(q.bytes, 0);
}

static void what_must_be_seen_is_never_replaced(void **state)
{
	struct live_queue q;

	(void)state;
	live_queue_init(&q);
	push(&q, "snapshot", JOB_A, false);
	push(&q, "running", JOB_A, true);
	push(&q, "succeeded", JOB_A, false); /* takes the place of the progress before it */
	push(&q, "late", JOB_A, true);
	expect(&q, "snapshot");
	expect(&q, "succeeded");
	expect(&q, "late");
	assert_null(live_queue_take(&q));
}

static void it_is_bounded_in_frames_and_in_bytes(void **state)
{
	static char text[LIVE_QUEUE_BYTES / 2];
	struct live_queue q;

	(void)state;
	live_queue_init(&q);
	for (int i = 0; i < LIVE_QUEUE_FRAMES; i++)
		assert_int_equal(push(&q, "x", NULL, false), 0);
	assert_int_equal(push(&q, "x", NULL, false), -ENOBUFS);
	live_queue_done(&q);
	assert_int_equal(q.count, 0);
	memset(text, 'x', sizeof(text) - 5);
	assert_int_equal(push(&q, text, NULL, false), 0);
	assert_int_equal(push(&q, text, NULL, false), 0);
	assert_int_equal(push(&q, text, NULL, false), -ENOBUFS);
	assert_int_equal(push(&q, "x", JOB_A, true), -ENOBUFS);
	live_queue_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_that_waits_is_replaced_in_its_place),
		cmocka_unit_test(what_must_be_seen_is_never_replaced),
		cmocka_unit_test(it_is_bounded_in_frames_and_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
