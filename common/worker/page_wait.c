#include "page_wait.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

#define AGAIN_MS    20	/* a document that is just coming has no scripts yet */
#define SENTENCE_MS 200 /* the page gives up so long before we do, and can say why */

/* Called with the condition as a function made outside of it, so that it sees none of our names. */
static const char script[] = "((test, ms) => new Promise((resolve) => {\n"
			     "	let busy = false, over = false, last = '';\n"
			     "	const end = (answer) => {\n"
			     "		over = true;\n"
			     "		observer.disconnect();\n"
			     "		clearInterval(timer);\n"
			     "		clearTimeout(limit);\n"
			     "		resolve(answer);\n"
			     "	};\n"
			     "	const look = async () => {\n"
			     "		if (busy || over) return;\n"
			     "		busy = true;\n"
			     "		try {\n"
			     "			const value = await test();\n"
			     "			if (value && !over) end({ value });\n"
			     "		} catch (e) {\n"
			     "			last = String(e);\n"
			     "		}\n"
			     "		busy = false;\n"
			     "	};\n"
			     "	const observer = new MutationObserver(look);\n"
			     "	const timer = setInterval(look, 50);\n"
			     "	const limit = setTimeout(() => end({ last }), ms);\n"
			     "	observer.observe(document,\n"
			     "		{ subtree: true, childList: true, attributes: true, "
			     "characterData: true });\n"
			     "	look();\n"
			     "}))";

static int wait_in_document(struct lease *l, const char *expression, struct deadline deadline,
			    json_t **ret, struct error *err)
{
	int left = deadline_left_ms(deadline);
	CLEANUP_FREE char *call = mem_printf("%s(async () => (%s\n), %d)", script, expression,
					     left > 2 * SENTENCE_MS ? left - SENTENCE_MS : left);
	json_t *answer = NULL, *value;
	int r = page_evaluate(l, call, deadline, &answer, err);

	if (r < 0)
		return r;
	value = json_object_get(answer, "value");
	if (value == NULL) {
		const char *last = json_string_value(json_object_get(answer, "last"));

		r = error_set(err, -ETIMEDOUT, "not true in time%s%s",
			      last && last[0] ? "; last: " : "", last ? last : "");
	} else if (ret != NULL) {
		*ret = json_incref(value);
	}
	json_decref(answer);
	return r;
}

int page_wait_for(struct lease *l, const char *expression, struct deadline deadline, json_t **ret,
		  struct error *err)
{
	int r;

	while ((r = wait_in_document(l, expression, deadline, ret, err)) == -ESTALE) {
		if (deadline_is_over(deadline))
			return error_set(err, -ETIMEDOUT, "the page goes from place to place");
		/* Handlers hear what happens meanwhile. */
		r = lease_wait_event(l, "Page.domContentEventFired",
				     deadline_min(deadline, deadline_in(AGAIN_MS)), NULL, err);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
	}
	return r;
}

/* 1: the main document is another one. */
static int judge_frame(json_t *params, struct error *err)
{
	json_t *frame = json_object_get(params, "frame");
	const char *unreachable = json_string_value(json_object_get(frame, "unreachableUrl"));

	if (json_object_get(frame, "parentId") != NULL)
		return 0;
	if (unreachable != NULL)
		return error_set(err, -EHOSTUNREACH, "%s: no answer", unreachable);
	return 1;
}

int page_wait_navigation(struct lease *l, struct deadline deadline, struct error *err)
{
	int r = 0;

	while (r == 0) {
		json_t *params = NULL;

		r = lease_wait_event(l, "Page.frameNavigated", deadline, &params, err);
		if (r == 0)
			r = judge_frame(params, err);
		json_decref(params);
	}
	return r < 0 ? r : lease_wait_event(l, "Page.loadEventFired", deadline, NULL, err);
}
