/* What a page looks like, as a PDF or a picture (page_print.h, page_shot.h). */
#include "leased.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "page_print.h"
#include "page_shot.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_prints_a_pdf_with_the_documents_pages, end),
		cmocka_unit_test_teardown(test_a_pdf_that_fails_is_closed_in_the_browser, end),
		cmocka_unit_test_teardown(test_pictures_have_the_size_of_what_they_show, end),
		cmocka_unit_test_teardown(test_pictures_have_limits, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
