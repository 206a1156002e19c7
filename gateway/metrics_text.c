#include "metrics_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#define WHOLE_MAX 1e15 /* printed digit by digit */

/* Backslash and line end everywhere; quotes in label values only. */
static void add_escaped(struct buf *out, const char *text, bool is_label)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_add_str(out, "\\n");
		else if (*text == '\\' || (is_label && *text == '"'))
			buf_printf(out, "\\%c", *text);
		else
			buf_add_char(out, *text);
	}
}

static void add_value(struct buf *out, double value)
{
	if (isnan(value))
		buf_add_str(out, " NaN\n");
	else if (isinf(value))
		buf_add_str(out, value > 0 ? " +Inf\n" : " -Inf\n");
	else if (value < WHOLE_MAX && value > -WHOLE_MAX && (double)(int64_t)value == value)
		buf_printf(out, " %.0f\n", value);
	else
		buf_printf(out, " %.9g\n", value);
}

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s ", name);
	add_escaped(out, help, false);
	buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void add_label(struct buf *out, size_t *count, const char *name, const char *value)
{
	buf_printf(out, "%c%s=\"", (*count)++ == 0 ? '{' : ',', name);
	add_escaped(out, value, true);
	buf_add_char(out, '"');
}

void metrics_sample(struct buf *out, const char *name, double value, ...)
{
	const char *label;
	size_t count = 0;
	va_list ap;

	buf_add_str(out, name);
	va_start(ap, value);
	while ((label = va_arg(ap, const char *)) != NULL) {
		const char *text = va_arg(ap, const char *);

		if (text != NULL && text[0] != '\0')
			add_label(out, &count, label, text);
	}
	va_end(ap);
	if (count > 0)
		buf_add_char(out, '}');
	add_value(out, value);
}

void histogram_add(struct histogram *h, double value)
{
	size_t i = 0;

	while (i < h->bound_count && value > h->bounds[i])
		i++;
	h->counts[i]++;
	h->sum += value;
}

void metrics_histogram(struct buf *out, const char *name, const struct histogram *h,
		       const char *label, const char *value)
{
	CLEANUP_FREE char *bucket = mem_printf("%s_bucket", name);
	CLEANUP_FREE char *sum = mem_printf("%s_sum", name);
	CLEANUP_FREE char *count = mem_printf("%s_count", name);
	uint64_t total = 0;
	char bound[32];

	if (label == NULL)
		label = value = "";
	for (size_t i = 0; i <= h->bound_count; i++) {
		total += h->counts[i];
		if (i < h->bound_count)
			snprintf(bound, sizeof(bound), "%g", h->bounds[i]);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		metrics_sample(out, bucket, (double)total, label, value, "le", bound, NULL);
	}
	metrics_sample(out, sum, h->sum, label, value, NULL);
	metrics_sample(out, count, (double)total, label, value, NULL);
}

bool metrics_name_is_valid(const char *name, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";

	if (len == 0 || len > 100 || strchr(letters, name[0]) == NULL)
		return false;
	for (size_t i = 1; i < len; i++)
		if (strchr(letters, name[i]) == NULL && (name[i] < '0' || name[i] > '9'))
			return false;
	return true;
}
