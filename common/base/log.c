#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *log_prog = "pensum";
static enum log_level log_limit = LOG_LEVEL_INFO;
static char log_context[160];

static const char *const level_names[] = { [LOG_LEVEL_ERROR] = "error",
					   [LOG_LEVEL_WARNING] = "warning",
					   [LOG_LEVEL_NOTICE] = "notice",
					   [LOG_LEVEL_INFO] = "info",
					   [LOG_LEVEL_DEBUG] = "debug" };

void log_open(const char *prog, enum log_level level)
{
	log_prog = prog;
	log_limit = level;
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

void log_write(enum log_level level, const char *msg, const char *fmt, ...)
{
	char line[1024];
	size_t used;
	va_list ap;
	int n;

	if (level > log_limit)
		return;
	n = snprintf(line, sizeof(line), "<%d>level=%s prog=%s msg=\"%s\" ", (int)level,
		     level_names[level], log_prog, msg);
	used = n < 0 ? 0 : (size_t)n;
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
	line[used++] = '\n';
	/* One write, so that lines of several processes do not mix. Nothing to do if it fails. */
	(void)!write(STDERR_FILENO, line, used);
}
