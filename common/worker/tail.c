#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define READS_MAX 256 /* a turn: 1 MiB */

/* No log line has them (log.h). Should others write them, they lose a line at most. */
#define MARK_BEGIN '\x1d'
#define MARK_COPY  '\x1e'

int tail_open(struct tail *t, struct error *err)
{
	*t = (struct tail){ .fds = { -1, -1 }, .kept = BUF_INIT, .passing = BUF_INIT };
	if (pipe2(t->fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "pipe: %s", strerror(errno));
	return fd_set_nonblock(t->fds[0]);
}

void tail_close(struct tail *t)
{
	fd_close(&t->fds[0]);
	fd_close(&t->fds[1]);
	buf_done(&t->kept);
	buf_done(&t->passing);
}

/* ---- the slot's side ---- */

static struct {
	int in, out, room;
} own = { .in = -1, .out = -1 };

static bool has_room(void)
{
	int used;

	return ioctl(own.out, FIONREAD, &used) == 0 && used < own.room;
}

static void copy_line(const char *line, size_t len)
{
	char mark = MARK_COPY;
	struct iovec parts[] = { { &mark, 1 }, { (char *)line, len } };

	if (has_room())
		(void)!writev(own.out, parts, ARRAY_LEN(parts));
}

void tail_enter(const struct tail *t)
{
	int before = t->fds[1] < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (before < 0)
		return;
	own.in = t->fds[0];
	own.out = t->fds[1];
	own.room = fcntl(own.out, F_GETPIPE_SZ) / 2;
	dup2(own.out, STDERR_FILENO);
	log_redirect(before, copy_line);
}

void tail_begin(void)
{
	char mark = MARK_BEGIN, oldest[4096];

	if (own.out < 0)
		return;
	while (!has_room() && read(own.in, oldest, sizeof(oldest)) > 0)
		; /* the parent is late: this is not of what comes, either */
	(void)!write(own.out, &mark, 1);
}

/* ---- the parent's side ---- */

static void take(struct tail *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == MARK_BEGIN) {
			buf_clear(&t->kept);
		} else if (bytes[i] == MARK_COPY) {
			t->in_copy = true;
		} else {
			buf_add_char(&t->kept, bytes[i]);
			if (!t->in_copy)
				buf_add_char(&t->passing, bytes[i]);
			t->in_copy = t->in_copy && bytes[i] != '\n';
		}
	}
	if (t->kept.len > TAIL_BYTES)
		buf_drop(&t->kept, t->kept.len - TAIL_BYTES);
}

/* Whole lines that a pipe takes at once; of what is no line, all that is too long for it. */
static size_t next_piece(const struct buf *b)
{
	size_t len = MIN(b->len, (size_t)PIPE_BUF);
	const char *end = memrchr(b->data, '\n', len);

	if (end != NULL)
		return (size_t)(end - b->data) + 1;
	return len == PIPE_BUF ? len : 0;
}

/* False: our stderr does not take all of them by then. */
static bool pass_on(struct tail *t, struct deadline patience)
{
	size_t piece;

	while ((piece = next_piece(&t->passing)) > 0) {
		if (fd_wait(STDERR_FILENO, POLLOUT, patience) <= 0)
			return false;
		(void)!write(STDERR_FILENO, t->passing.data, piece);
		buf_drop(&t->passing, piece);
	}
	return true;
}

static bool read_some(struct tail *t)
{
	char bytes[4096];
	ssize_t n = read(t->fds[0], bytes, sizeof(bytes));

	if (n > 0)
		take(t, bytes, (size_t)n);
	return n > 0;
}

void tail_read(struct tail *t)
{
	for (int i = 0; i < READS_MAX && pass_on(t, deadline_in(0)); i++)
		if (!read_some(t))
			return;
}

void tail_end(struct tail *t, struct deadline patience)
{
	for (int i = 0; i < READS_MAX && read_some(t); i++)
		if (!pass_on(t, patience))
			buf_clear(&t->passing);
	if (t->passing.len > 0)
		buf_add_char(&t->passing,
			     '\n'); /* or the next line of ours would stand behind it */
	pass_on(t, patience);
	buf_clear(&t->passing);
	t->in_copy = false;
}

/* C0 but newline and tab, DEL, C1: a terminal would obey them. */
static bool is_control(const char *c, size_t len)
{
	unsigned char first = (unsigned char)c[0], second = (unsigned char)c[len - 1];

	return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f ||
	       (first == 0xc2 && second < 0xa0);
}

char *tail_text(const struct tail *t)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	const char *c = t->kept.data, *end = c + t->kept.len;

	for (int i = 0; i < 3 && t->kept.len == TAIL_BYTES && ((unsigned char)*c & 0xc0) == 0x80;
	     i++)
		c++; /* the rest of what was cut */
	while (c < end) {
		size_t len = text_utf8_sequence(c, (size_t)(end - c));

		if (len == 0 || is_control(c, len))
			buf_add_char(&text, '?');
		else
			buf_add(&text, c, len);
		c += MAX(len, (size_t)1);
	}
	return text.len > 0 ? buf_take(&text) : NULL;
}

void tail_clear(struct tail *t)
{
	buf_clear(&t->kept);
}
