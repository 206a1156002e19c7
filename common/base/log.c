#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 1000

static const char *log_prog = "pensum";
static enum log_level log_limit = LOG_LEVEL_INFO;
static char log_context[160];
static bool log_journal;
static int log_fd = STDERR_FILENO;
static log_copy_fn *log_copy;
static bool log_is_stuck;
static unsigned log_lost;

static const char *const level_names[] = { [LOG_LEVEL_ERROR] = "error",
					   [LOG_LEVEL_WARNING] = "warning",
					   [LOG_LEVEL_NOTICE] = "notice",
					   [LOG_LEVEL_INFO] = "info",
					   [LOG_LEVEL_DEBUG] = "debug" };

void log_open(const char *prog, enum log_level level)
{
	log_prog = prog;
	log_limit = level;
	log_journal = log_goes_to_journal();
}

/* A shell that runs below a service has the variable too, with other descriptors. */
bool log_goes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_redirect(int fd, log_copy_fn *copy)
{
	log_fd = fd;
	log_copy = copy;
}

void log_set_level(enum log_level level)
{
	log_limit = level;
}

void log_set_context(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(log_context, sizeof(log_context), fmt, ap);
	va_end(ap);
}

static void make_printable(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
}

/* ' name=' or the end comes behind a value. */
static bool ends_value(const char *rest)
{
	size_t name = rest[0] == ' ' ? strspn(rest + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;

	return rest[0] == '\0' || (name > 0 && rest[1 + name] == '=');
}

/* A sentence with quotes of its own is one value all the same. */
static void mend_quotes(char *line)
{
	bool inside = false;

	for (char *c = line; *c != '\0'; c++) {
		if (*c != '"')
			continue;
		if (!inside)
			inside = c > line && c[-1] == '=';
		else if (ends_value(c + 1))
			inside = false;
		else
			*c = '\'';
	}
}

static int start_line(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	char date[32];

	if (log_journal)
		return snprintf(line, size, "<%d>", (int)level);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, size, "time=%s.%03ldZ ", date, now.tv_nsec / 1000000);
}

/* A log that nobody takes (a journal that hangs, on a disk that does) stops no work: it is waited for
 * once, and as long as it has no room then, lines are lost. A pipe and a socket that have some take a
 * line as a whole. */
static bool has_room(void)
{
	struct pollfd log = { .fd = log_fd, .events = POLLOUT };

	log_is_stuck = poll(&log, 1, log_is_stuck ? 0 : PATIENCE_MS) <= 0;
	return !log_is_stuck;
}

static void tell_lost(void)
{
	unsigned lost = log_lost;

	log_lost = 0;
	log_warning("log lines lost", "count=%u", lost);
	if (log_is_stuck)
		log_lost = lost;
}

/* One write, so that lines of several processes do not mix. Nothing to do if it fails. */
static void put_line(const char *line, size_t len)
{
	if (log_lost > 0 && has_room())
		tell_lost();
	if (has_room())
		(void)!write(log_fd, line, len);
	else
		log_lost++;
}

void log_write(enum log_level level, const char *msg, const char *fmt, ...)
{
	char line[1024];
	size_t used;
	va_list ap;
	int n;

	if (level > log_limit)
		return;
	n = start_line(line, sizeof(line), level);
	used = n < 0 ? 0 : (size_t)n;
	n = snprintf(line + used, sizeof(line) - used, "level=%s prog=%s msg=\"%s\" ",
		     level_names[level], log_prog, msg);
	used += n < 0 ? 0 : (size_t)n;
	if (used < sizeof(line)) {
		va_start(ap, fmt);
		n = vsnprintf(line + used, sizeof(line) - used, fmt, ap);
		va_end(ap);
		used += n < 0 ? 0 : (size_t)n;
	}
	if (log_context[0] != '\0' && used < sizeof(line)) {
		n = snprintf(line + used, sizeof(line) - used, " %s", log_context);
		used += n < 0 ? 0 : (size_t)n;
	}
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	make_printable(line, used);
	line[used] = '\0';
	mend_quotes(line);
	line[used++] = '\n';
	put_line(line, used);
	if (log_copy != NULL)
		log_copy(line, used);
}
