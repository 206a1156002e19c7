#include "jobs.h"

#include <string.h>

#include "mem.h"
#include "moodle.h"
#include "script_signout.h"

/* {"user", "session"}: whose, and their saved session or null. */
static json_t *open_order(struct work *w)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT;
	json_t *order;

	if (work_open_secret_as(w, "signout", &text) < 0)
		return NULL;
	order = json_loads(text.data, 0, NULL);
	if (!json_is_string(json_object_get(order, "user"))) {
		json_decref(order);
		work_fail(w, "bad_input", NULL);
		return NULL;
	}
	return order;
}

static int end_session(struct work *w, struct moodle *m, bool *ended)
{
	json_t *answer = NULL;

	if (moodle_run(w, m, script_signout, json_object(), false, &answer) < 0)
		return -1;
	*ended = json_is_true(json_object_get(answer, "ended"));
	json_decref(answer);
	return 0;
}

int job_signout(struct work *w)
{
	CLEANUP(moodle_close) struct moodle m = MOODLE_INIT;
	json_t *order = open_order(w);
	const char *session;
	bool ended = false;
	int e;

	if (order == NULL)
		return -1;
	session = json_string_value(json_object_get(order, "session"));
	e = moodle_open_saved(w, json_string_value(json_object_get(order, "user")), session, &m);
	if (e == 0 && session != NULL)
		e = end_session(w, &m, &ended);
	moodle_discard(&m);
	json_decref(order);
	if (e < 0)
		return -1;
	w->result = json_pack("{s:b}", "ended", (int)ended);
	return 0;
}
