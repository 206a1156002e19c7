/* moodle_failure.c - how what went wrong with a page on the site becomes the failure of the work. */
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "moodle.h"
#include "script_moodle.h"
#include "site.h"

#define CALL_MS 10000
#define LAST_MS 500

/* What a busy site said of when to come back, as the scripts understand it; 0: nothing. */
static int64_t seconds_to_wait(struct work *w, struct lease *l)
{
	const char *said = l ? page_retry_after(l) : "";
	CLEANUP_FREE char *expression = NULL;
	json_t *text, *value = NULL;
	char *quoted;
	int64_t seconds;

	if (said[0] == '\0')
		return 0;
	text = json_string(said);
	quoted = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	json_decref(text);
	if (quoted == NULL)
		return 0;
	expression = mem_printf("(() => {\n%s\nreturn secondsSaid(%s);\n})()",
				(const char *)script_moodle, quoted);
	free(quoted);
	page_evaluate(l, expression, work_within(w, CALL_MS), &value, NULL);
	seconds = json_integer_value(value);
	json_decref(value);
	return MAX(seconds, 0);
}

/* The site did not let us in, or is not there. */
static int fail_by_site(struct work *w, struct lease *l)
{
	const char *expires = "";
	long status = l ? page_status(l, &expires) : 0;
	int64_t seconds;

	if (site_is_closed(status, expires))
		return work_fail(w, "maintenance", NULL);
	seconds = seconds_to_wait(w, l);
	if (seconds == 0)
		return work_fail(w, "site_down", NULL);
	site_pause(w, seconds);
	return work_fail(w, "site_busy", NULL);
}

/* The words of lease.h and page.h as a failure of the job. */
int moodle_page_failed(struct work *w, const struct moodle *m, int e, const struct error *err)
{
	struct lease *l = m->lease;

	log_warning("page failed", "err=\"%s\" end=%s", err->text, l ? lease_end_reason(l) : "");
	switch (e) {
	case -ECANCELED:
		return work_fail(w, "cancelled", NULL);
	case -EBUSY:
	case -ENOENT:
	case -ECONNREFUSED:
		return work_fail(w, "no_browser", NULL);
	case -EPIPE: /* the pool ends a lease at the very moment that the attempt's time is over */
		return work_fail(
			w, deadline_left_ms(w->deadline) < LAST_MS ? "timeout" : "browser_lost",
			NULL);
	case -EHOSTUNREACH:
		return fail_by_site(w, l);
	case -EXDEV:
		return work_fail(
			w, "not_moodle",
			"The configured address leads to another site, where Pensum does not go.");
	case -ETIMEDOUT:
		return work_fail(w, "timeout", NULL);
	default:
		return work_fail(w, "internal", NULL);
	}
}
