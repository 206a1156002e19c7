/* What comes out of a page as a file (page_print.h, page_shot.h, page_download.h). */
#include "leased.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "page_download.h"
#include "page_print.h"
#include "page_shot.h"
#include "page_wait.h"

#define FILE_BYTES 5000000

/* ---- printing and pictures ---- */

static int count_words(const struct buf *b, const char *word, char not_behind)
{
	const char *p = b->data, *end = b->data + b->len;
	size_t len = strlen(word);
	int count = 0;

	while ((p = memmem(p, (size_t)(end - p), word, len)) != NULL) {
		p += len;
		count += p < end && *p != not_behind;
	}
	return count;
}

static void test_prints_a_pdf_with_the_documents_pages(void **state)
{
	CLEANUP(buf_done) struct buf pdf = BUF_INIT;
	struct page_paper paper = PAGE_A4;
	struct page_sink sink = { page_write_buf, &pdf, .max_bytes = 50000000 };
	struct lease *l = begin_at("/three");
	struct error err = { 0 };

	(void)state;
	must(page_print(l, &paper, &sink, soon(), &err), &err);
	assert_memory_equal(pdf.data, "%PDF-", 5);
	assert_non_null(memmem(pdf.data + pdf.len - 16, 16, "%%EOF", 5));
	assert_int_equal(count_words(&pdf, "/Type /Page", 's'), 3);
	assert_int_equal(count_words(&pdf, "/MediaBox [0 0 595", '\0'), 3);
	/* More than one piece, through a descriptor. */
	assert_true(pdf.len > 2 * PAGE_PIECE_BYTES);
}

/* Names of streams count up: none that was ever made is still there. */
static void no_stream_is_open(struct lease *l)
{
	for (int i = 1; i < 10; i++) {
		CLEANUP_FREE char *handle = mem_printf("%d", i);

		assert_int_equal(page_call(l, "IO.read", json_pack("{ss}", "handle", handle),
					   soon(), NULL, NULL),
				 -EREMOTEIO);
	}
}

static int refuse_to_write(void *arg, const void *data, size_t len, struct error *err)
{
	(void)arg;
	(void)data;
	(void)len;
	return error_set(err, -ENOSPC, "full");
}

static void test_a_pdf_that_fails_is_closed_in_the_browser(void **state)
{
	struct page_paper wide = { .width_mm = 100, .height_mm = 100, .margin_mm = 80 };
	struct page_paper paper = PAGE_A4;
	int fd = memfd_create("pdf", MFD_CLOEXEC);
	struct page_sink small = { page_write_fd, &fd, .max_bytes = PAGE_PIECE_BYTES + 10 };
	struct page_sink full = { refuse_to_write, NULL, .max_bytes = 50000000 };
	struct lease *l = begin_at("/three");
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_print(l, &paper, &small, soon(), &err), -EFBIG);
	assert_in_range(lseek(fd, 0, SEEK_CUR), PAGE_PIECE_BYTES / 2, PAGE_PIECE_BYTES);
	assert_int_equal(page_print(l, &paper, &full, soon(), &err), -ENOSPC);
	assert_int_equal(page_print(l, &wide, &full, soon(), &err), -EREMOTEIO);
	no_stream_is_open(l);
	close(fd);
}

static unsigned big_endian(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
}

static void shoot(struct lease *l, const struct page_shot *shot, unsigned width, unsigned height)
{
	CLEANUP(buf_done) struct buf png = BUF_INIT;
	struct error err = { 0 };

	must(page_shot(l, shot, soon(), &png, &err), &err);
	assert_memory_equal(png.data, "\x89PNG\r\n\x1a\n", 8);
	assert_int_equal(big_endian(png.data + 16), width);
	assert_int_equal(big_endian(png.data + 20), height);
}

static void test_pictures_have_the_size_of_what_they_show(void **state)
{
	struct page_shot full = { .full_page = true, .max_bytes = 1 << 24 };
	struct page_shot clip = {
		.x = 10, .y = 2000, .width = 120, .height = 80, .max_bytes = 1 << 24
	};
	struct page_shot jpeg = { .jpeg_quality = 60, .max_bytes = 1 << 24 };
	CLEANUP(buf_done) struct buf picture = BUF_INIT;
	struct lease *l = begin_at("/tall");
	struct error err = { 0 };

	(void)state;
	shoot(l, &full, 1000, 3000);
	shoot(l, &clip, 120, 80);
	must(page_shot(l, &jpeg, soon(), &picture, &err), &err);
	assert_memory_equal(picture.data, "\xff\xd8\xff", 3);
}

static void test_pictures_have_limits(void **state)
{
	struct page_shot full = { .full_page = true, .max_bytes = 100 };
	struct page_shot none = { .width = 10, .max_bytes = 100 };
	CLEANUP(buf_done) struct buf picture = BUF_INIT;
	struct lease *l = begin_at("/tall");
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_shot(l, &full, soon(), &picture, &err), -EFBIG);
	assert_int_equal(page_shot(l, &none, soon(), &picture, &err), -EINVAL);
	evaluate(l, "document.body.style.height = '20000px'; 0");
	full.max_bytes = 1 << 24;
	assert_int_equal(page_shot(l, &full, soon(), &picture, &err), -EFBIG);
	assert_non_null(strstr(err.text, "20000 pixels"));
	assert_int_equal(picture.len, 0);
}

/* ---- downloads ---- */

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
		cmocka_unit_test_teardown(test_prints_a_pdf_with_the_documents_pages, end),
		cmocka_unit_test_teardown(test_a_pdf_that_fails_is_closed_in_the_browser, end),
		cmocka_unit_test_teardown(test_pictures_have_the_size_of_what_they_show, end),
		cmocka_unit_test_teardown(test_pictures_have_limits, end),
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
