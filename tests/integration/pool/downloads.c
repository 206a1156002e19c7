/* Files that a page's session may have (page_download.h), and what becomes of every transfer when its
 * lease ends. */
#include "leased.h"

#include <errno.h>
#include <signal.h>

#include "mem.h"
#include "page_download.h"
#include "page_print.h"
#include "page_shot.h"
#include "page_wait.h"

#define FILE_BYTES 5000000

struct taken {
	struct buf bytes;
	struct page_sink sink;
	struct page_file file;
};

static void taken_done(struct taken *t)
{
	buf_done(&t->bytes);
}

static int take(struct lease *l, const char *url, uint64_t max_bytes, struct deadline deadline,
		struct taken *t, struct error *err)
{
	buf_clear(&t->bytes);
	t->sink = (struct page_sink){ page_write_buf, &t->bytes, .max_bytes = max_bytes };
	return page_download(l, url, &t->sink, &t->file, deadline, err);
}

#define TAKEN CLEANUP(taken_done) struct taken t = { .bytes = BUF_INIT }

/* The page is the one that it was, and open to everything. */
static void is_unharmed(struct lease *l)
{
	assert_string_equal(evaluate(l, "[window.kept, location.pathname]"), "[1,\"/cookies\"]");
	no_stream_is_open(l);
}

static struct lease *begin_marked(void)
{
	struct lease *l = begin_at("/cookies");

	evaluate(l, "window.kept = 1");
	return l;
}

static void test_downloads_a_file_with_the_pages_session(void **state)
{
	struct lease *l = begin_marked();
	struct error err = { 0 };
	TAKEN;

	(void)state;
	must(take(l, "/file#part", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, FILE_BYTES);
	assert_memory_equal(t.bytes.data, "0123456789", 10);
	assert_memory_equal(t.bytes.data + FILE_BYTES - 10, "0123456789", 10);
	assert_string_equal(t.file.name, "na\xc3\xafve r\xc3\xa9sum\xc3\xa9.zip");
	assert_string_equal(t.file.type, "application/zip");
	assert_int_equal(t.file.size, FILE_BYTES);
	assert_int_equal(t.file.status, 200);
	must(take(l, "/who", 100, soon(), &t, &err), &err);
	assert_string_equal(t.bytes.data, "host=only; strict=x");
	assert_string_equal(t.file.name, "who");
	must(take(l, "/packed", 100000, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, 50000);
	must(take(l, "/nothing", 100, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, 0);
	is_unharmed(l);
}

static void test_a_download_is_redirected_as_far_as_the_rules_go(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", NULL };
	struct page_rules rules = { .block_kinds = PAGE_IMAGES, .allow_hosts = hosts };
	CLEANUP_FREE char *away = mem_printf("/to?%s/file", getenv("OTHER_URL"));
	struct lease *l = begin_marked();
	struct error err = { 0 };
	TAKEN;

	(void)state;
	must(take(l, "/to?/to?/file", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, FILE_BYTES);
	must(take(l, away, FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, FILE_BYTES);
	must(page_intercept(l, &rules, soon(), &err), &err);
	assert_int_equal(take(l, away, FILE_BYTES, soon(), &t, &err), -EPERM);
	assert_int_equal(t.bytes.len, 0);
	must(take(l, "/to?/file", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(page_refused_count(l), 1);
	is_unharmed(l);
	/* The rules are still in force. */
	assert_string_equal(
		evaluate(l, "new Promise((r) => Object.assign(new Image(), { src: '/a.png', "
			    "onload: () => r('shown'), onerror: () => r('refused') }))"),
		"\"refused\"");
}

static void test_a_download_that_fails_has_a_reason(void **state)
{
	static const struct {
		const char *url;
		int code;
	} cases[] = {
		{ "/404", -ENOENT },
		{ "/403", -EACCES },
		{ "/503", -EHOSTUNREACH },
		{ "/418", -EREMOTEIO },
		{ "http://127.0.0.1:4/x", -EHOSTUNREACH },
		{ "http://nowhere.invalid/x", -EHOSTUNREACH },
		{ "/to?/to?http://127.0.0.1:4/x", -EHOSTUNREACH },
		{ "/cut", -EIO },
		{ "file:///etc/passwd", -EREMOTEIO },
		{ "http://", -EREMOTEIO },
	};
	struct lease *l = begin_marked();
	TAKEN;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err = { 0 };
		int r = take(l, cases[i].url, FILE_BYTES, soon(), &t, &err);

		if (r != cases[i].code)
			fail_msg("%s: %d %s", cases[i].url, r, err.text);
		is_unharmed(l);
	}
}

static void test_a_download_has_limits(void **state)
{
	struct lease *l = begin_marked();
	struct error err = { 0 };
	TAKEN;

	(void)state;
	assert_int_equal(take(l, "/file", FILE_BYTES - 1, soon(), &t, &err), -EFBIG);
	assert_int_equal(t.bytes.len, 0);
	assert_int_equal(take(l, "/file?unsaid", FILE_BYTES - 1, soon(), &t, &err), -EFBIG);
	assert_true(t.bytes.len > 0 && t.bytes.len < FILE_BYTES);
	assert_int_equal(take(l, "/slow", FILE_BYTES, deadline_in(700), &t, &err), -ETIMEDOUT);
	is_unharmed(l);
	assert_int_equal(take(l, "/never", FILE_BYTES, deadline_in(300), &t, &err), -ETIMEDOUT);
	is_unharmed(l);
	must(take(l, "/file", FILE_BYTES, soon(), &t, &err), &err);
}

/* Chromium lets a page go elsewhere meanwhile only when a person does something there. */
static void go_later(struct lease *l, const char *path, bool by_person)
{
	CLEANUP_FREE char *script =
		mem_printf("setTimeout(() => { location.href = '%s' }, 300); 0", path);

	page_call(l, "Runtime.evaluate",
		  json_pack("{ss sb}", "expression", script, "userGesture", (int)by_person), soon(),
		  NULL, NULL);
}

static void test_a_page_that_goes_elsewhere_ends_the_download(void **state)
{
	struct lease *l = begin_marked();
	struct error err = { 0 };
	TAKEN;

	(void)state;
	go_later(l, "/next", false);
	assert_int_equal(take(l, "/slow", FILE_BYTES, deadline_in(1000), &t, &err), -ETIMEDOUT);
	is_unharmed(l);
	go_later(l, "/next", true);
	assert_int_equal(take(l, "/slow", FILE_BYTES, soon(), &t, &err), -ESTALE);
	must(page_wait_for(l, "location.pathname === '/next'", soon(), NULL, &err), &err);
	go_later(l, "/later", true);
	assert_int_equal(take(l, "/never", FILE_BYTES, soon(), &t, &err), -ESTALE);
	must(page_wait_for(l, "location.pathname === '/later'", soon(), NULL, &err), &err);
}

static void test_text_comes_as_the_bytes_that_it_is(void **state)
{
	struct lease *l = begin_marked();
	struct error err = { 0 };
	TAKEN;

	(void)state;
	must(take(l, "/bytes", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, 256 * 2000);
	for (size_t i = 0; i < t.bytes.len; i++)
		if ((unsigned char)t.bytes.data[i] != i % 256)
			fail_msg("byte %zu", i);
	must(take(l, "/text", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, 600000);
	for (size_t i = 0; i < t.bytes.len; i += 3)
		assert_memory_equal(t.bytes.data + i, "\xe2\x82\xac", 3);
}

static void test_a_service_worker_does_not_come_between(void **state)
{
	struct lease *l = begin_at("/served");
	struct error err = { 0 };
	TAKEN;

	(void)state;
	must(page_wait_for(l, "navigator.serviceWorker.controller", soon(), NULL, &err), &err);
	assert_string_equal(evaluate(l, "fetch('/who').then((r) => r.text())"), "\"forged\"");
	must(take(l, "/who", 100, soon(), &t, &err), &err);
	assert_string_equal(t.bytes.data, "");
	must(take(l, "/file", FILE_BYTES, soon(), &t, &err), &err);
	assert_int_equal(t.bytes.len, FILE_BYTES);
}

/* The pool keeps no page whose calls are open. */
static void test_a_page_that_is_to_be_kept_is_kept_after_a_download(void **state)
{
	struct lease *l = begin_kept("files:1");
	struct page_paper paper = PAGE_A4;
	struct error err = { 0 };
	TAKEN;

	(void)state;
	open_page(l, "/cookies");
	evaluate(l, "window.kept = 1");
	for (int i = 0; i < 3; i++) {
		must(take(l, "/file", FILE_BYTES, soon(), &t, &err), &err);
		l = begin_kept("files:1");
		assert_true(lease_is_sticky(l));
		is_unharmed(l);
		assert_int_equal(take(l, "/slow", FILE_BYTES, deadline_in(300), &t, &err),
				 -ETIMEDOUT);
		l = begin_kept("files:1");
		assert_true(lease_is_sticky(l));
		t.sink = (struct page_sink){ page_write_buf, &t.bytes, .max_bytes = 1 };
		assert_int_equal(page_print(l, &paper, &t.sink, soon(), &err), -EFBIG);
		l = begin_kept("files:1");
		assert_true(lease_is_sticky(l));
	}
}

/* ---- the lease's end ---- */

static void test_the_leases_end_ends_every_transfer(void **state)
{
	struct lease *l = begin(1500);
	struct page_paper paper = PAGE_A4;
	struct page_shot shot = { .max_bytes = 1 };
	struct error err = { 0 };
	TAKEN;

	(void)state;
	open_page(l, "/cookies");
	assert_int_equal(take(l, "/slow", FILE_BYTES, soon(), &t, &err), -EPIPE);
	assert_string_equal(lease_end_reason(l), "expired");
	assert_non_null(strstr(err.text, "expired"));
	assert_int_equal(take(l, "/slow", FILE_BYTES, soon(), &t, &err), -EPIPE);
	assert_int_equal(page_print(l, &paper, &t.sink, soon(), &err), -EPIPE);
	assert_int_equal(page_shot(l, &shot, soon(), &t.bytes, &err), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_downloads_a_file_with_the_pages_session, end),
		cmocka_unit_test_teardown(test_a_download_is_redirected_as_far_as_the_rules_go,
					  end),
		cmocka_unit_test_teardown(test_a_download_that_fails_has_a_reason, end),
		cmocka_unit_test_teardown(test_a_download_has_limits, end),
		cmocka_unit_test_teardown(test_a_page_that_goes_elsewhere_ends_the_download, end),
		cmocka_unit_test_teardown(test_text_comes_as_the_bytes_that_it_is, end),
		cmocka_unit_test_teardown(test_a_service_worker_does_not_come_between, end),
		cmocka_unit_test_teardown(test_a_page_that_is_to_be_kept_is_kept_after_a_download,
					  end),
		cmocka_unit_test_teardown(test_the_leases_end_ends_every_transfer, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
