#include "sso_end.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "page_intercept.h"

static struct deadline soon(const struct sso *s)
{
	return deadline_min(s->end, deadline_in(SSO_CALL_MS));
}

bool sso_step_fills(json_t *step, const char *what)
{
	json_t *pair;
	size_t i;

	json_array_foreach (json_object_get(step, "fill"), i, pair)
		if (strcmp(json_string_value(json_array_get(pair, 1)), what) == 0)
			return true;
	return false;
}

int sso_stop(struct sso *s, const char *code, const char *message, const char *why)
{
	log_info("sign-in by recipe ended", "code=%s why=\"%s\" at=\"%s\" steps=%d", code, why,
		 s->where, s->done);
	return work_fail(s->w, code, message);
}

int sso_ask_for_code(struct sso *s, const char *message)
{
	json_t *cookies = NULL, *url = NULL;
	struct error err;
	int e = page_evaluate_apart(s->m->lease, "location.href", soon(s), &url, &err);

	if (e == 0)
		e = page_get_cookies(s->m->lease, NULL, soon(s), &cookies, &err);
	if (e < 0) {
		json_decref(url);
		return moodle_page_failed(s->w, s->m, e, &err);
	}
	*s->half = json_pack("{so so}", "cookies", cookies, "url", url);
	return sso_stop(s, "mfa_needed", message, "a code is asked for");
}

/* Tries are counted there, and too many lock the account. */
int sso_fail_asked_again(struct sso *s, json_t *state)
{
	json_int_t index = json_integer_value(json_object_get(state, "index"));
	json_t *step = json_array_get(json_object_get(s->recipe->page, "steps"), (size_t)index);

	if (sso_step_fills(step, "code"))
		return sso_ask_for_code(s, "This code was not accepted. Try another one.");
	return sso_stop(s, "signin_not_understood",
			"The sign-in page asks for the same again. Maybe the password is wrong.",
			"a step comes again, and no error of the recipe's fits");
}

int sso_fail_by_error(struct sso *s, json_t *state)
{
	size_t index = (size_t)json_integer_value(json_object_get(state, "index"));
	json_t *entry = json_array_get(json_object_get(s->recipe->page, "errors"), index);
	const char *code = json_string_value(json_object_get(entry, "code"));
	const char *message = json_string_value(json_object_get(entry, "message"));

	if (code == NULL)
		return sso_stop(s, "signin_not_understood", NULL, "no such error");
	if (strcmp(code, "mfa_needed") == 0)
		return sso_ask_for_code(
			s, message ? message : "This code was not accepted. Try another one.");
	return sso_stop(s, code, message, "an error of the recipe's");
}

int sso_fail_lost(struct sso *s)
{
	const char *host = page_refused_document(s->m->lease);

	if (host[0] == '\0')
		return sso_stop(s, "site_down", "A site of the sign-in does not answer.",
				"no answer");
	snprintf(s->where, sizeof(s->where), "%s", host);
	return sso_stop(s, "signs_in_elsewhere",
			"The sign-in leads to another site, which is not set up here.",
			"a host that the recipe does not name");
}
