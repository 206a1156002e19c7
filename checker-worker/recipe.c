#include "recipe.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "file.h"
#include "mem.h"
#include "recipe_check.h"
#include "recipe_host.h"

#define MAX_HOSTS     32
#define MAX_ERRORS    32
#define MAX_SELECTORS 16 /* of one condition */
#define MAX_SENTENCE  200
#define MAX_START     500
#define MAX_TIMES     5
#define LIMIT_S	      60
#define MIN_LIMIT_S   5
#define MAX_LIMIT_S   600

static const char *const fillings[] = { "username", "password", "code", NULL };
/* Codes of failure.h that a page's error may mean. */
static const char *const error_codes[] = { "wrong_password",
					   "account_locked",
					   "account_not_confirmed",
					   "must_change_password",
					   "mfa_needed",
					   "policy_agreement_needed",
					   "profile_incomplete",
					   "mfa_unsupported",
					   "captcha_needed",
					   "maintenance",
					   "site_down",
					   "signin_stopped",
					   NULL };

/* One selector or an array of them, added to list. */
static int add_selectors(const char *member, json_t *value, json_t *list, struct error *err)
{
	json_t *one;
	size_t i;

	if (value == NULL)
		return 0;
	if (!json_is_array(value)) {
		if (recipe_check_selector(member, value, err) < 0)
			return -EINVAL;
		json_array_append(list, value);
		return 0;
	}
	if (json_array_size(value) == 0 || json_array_size(value) > MAX_SELECTORS)
		return error_set(err, -EINVAL, "%s: 1 to %d selectors", member, MAX_SELECTORS);
	json_array_foreach (value, i, one) {
		if (recipe_check_selector(member, one, err) < 0)
			return -EINVAL;
		json_array_append(list, one);
	}
	return 0;
}

/* ---- hosts ---- */

static int add_hosts(const char *member, json_t *hosts, json_t *origins, struct error *err)
{
	json_t *host;
	size_t i;

	if (hosts == NULL)
		return 0;
	if (!json_is_array(hosts) || json_array_size(hosts) > MAX_HOSTS)
		return error_set(err, -EINVAL, "%s: must be an array of at most %d names", member,
				 MAX_HOSTS);
	json_array_foreach (hosts, i, host)
		if (recipe_check_text("name", host, 300, err) < 0 ||
		    recipe_add_host(json_string_value(host), origins, err) < 0)
			return error_prefix(err, "%s[%zu]", member, i);
	return 0;
}

static bool has_text(json_t *array, const char *text)
{
	json_t *one;
	size_t i;

	json_array_foreach (array, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return true;
	return false;
}

/* Where a step is done: on hosts of the recipe's; those that it does not name are all. */
static int read_places(json_t *step, const struct recipe *r, json_t *out, struct error *err)
{
	json_t *hosts = json_object_get(step, "hosts"), *origins = json_array(), *one;
	int e = add_hosts("hosts", hosts, origins, err);
	size_t i;

	json_array_foreach (origins, i, one)
		if (e == 0 && !has_text(r->origins, json_string_value(one)))
			e = error_set(
				err, -EINVAL,
				"hosts: %s is not among the recipe's hosts; name it there, too",
				json_string_value(one));
	if (e == 0 && hosts != NULL && json_array_size(origins) == 0)
		e = error_set(err, -EINVAL,
			      "hosts: is empty; without it all of the recipe's count");
	json_object_set(out, "origins", hosts ? origins : r->origins);
	/* The site's own pages may be clicked through; what is filled in goes to the recipe's
	 * hosts. */
	json_object_set_new(out, "on_site",
			    json_boolean(hosts == NULL && json_object_get(step, "fill") == NULL));
	json_decref(origins);
	return e;
}

/* ---- steps ---- */

/* out's "fill" is [[selector, what], …]; what is filled in must be to be seen. */
static int read_fill(json_t *step, json_t *out, struct error *err)
{
	json_t *fill = json_object_get(step, "fill"), *what;
	json_t *list = json_array();
	const char *selector;

	json_object_set_new(out, "fill", list);
	if (fill == NULL)
		return 0;
	if (!json_is_object(fill) || json_object_size(fill) == 0 || json_object_size(fill) > 4)
		return error_set(err, -EINVAL,
				 "fill: must be 1 to 4 of {\"selector\": \"username\"}");
	json_object_foreach (fill, selector, what) {
		json_t *key = json_string(selector);
		const char *word = json_string_value(what);
		int e = recipe_check_selector("fill", key, err);

		if (e == 0 && (word == NULL || !recipe_is_one_of(word, fillings)))
			e = recipe_wrong_word("fill", word ? word : "", fillings, err);
		if (e == 0) {
			json_array_append_new(list, json_pack("[OO]", key, what));
			json_array_append(json_object_get(out, "if"), key);
		}
		json_decref(key);
		if (e < 0)
			return e;
	}
	return 0;
}

static int read_stop(json_t *step, json_t *out, struct error *err)
{
	static const char *const others[] = { "fill", "click", "submit", "wait", "times" };
	json_t *stop = json_object_get(step, "stop");

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (json_object_get(step, others[i]) != NULL)
			return error_set(err, -EINVAL, "stop: ends the sign-in, so there is no %s",
					 others[i]);
	if (recipe_check_text("stop", stop, MAX_SENTENCE, err) < 0)
		return -EINVAL;
	json_object_set(out, "stop", stop);
	return 0;
}

static int read_action(json_t *step, json_t *out, struct error *err)
{
	json_t *click = json_object_get(step, "click"), *submit = json_object_get(step, "submit");
	json_t *wait = json_object_get(step, "wait"), *times = json_object_get(step, "times");
	bool fills = json_object_get(step, "fill") != NULL;

	if (json_object_get(step, "stop") != NULL)
		return read_stop(step, out, err);
	if (submit != NULL && (!json_is_true(submit) || click != NULL))
		return error_set(err, -EINVAL, "submit: is true, and has no click beside it");
	if (click == NULL && submit == NULL && !fills)
		return error_set(err, -EINVAL, "has nothing to do: fill, click, submit or stop");
	if (click != NULL && recipe_check_selector("click", click, err) < 0)
		return -EINVAL;
	if (wait != NULL && recipe_check_selector("wait", wait, err) < 0)
		return -EINVAL;
	if (times != NULL && (!json_is_integer(times) || json_integer_value(times) < 1 ||
			      json_integer_value(times) > MAX_TIMES))
		return error_set(err, -EINVAL, "times: a number from 1 to %d", MAX_TIMES);
	if (click != NULL) {
		json_object_set(out, "click", click);
		json_array_append(json_object_get(out, "if"), click);
	}
	if (wait != NULL)
		json_object_set(out, "wait", wait);
	json_object_set_new(out, "times", json_integer(times ? json_integer_value(times) : 1));
	return 0;
}

static int read_condition(json_t *entry, json_t *out, struct error *err)
{
	json_t *all = json_array(), *none = json_array();

	json_object_set_new(out, "if", all);
	json_object_set_new(out, "unless", none);
	if (add_selectors("if", json_object_get(entry, "if"), all, err) < 0)
		return -EINVAL;
	return add_selectors("unless", json_object_get(entry, "unless"), none, err);
}

static int read_step(json_t *step, struct recipe *r, json_t *out, struct error *err)
{
	static const char *const members[] = { "name",	 "if",	 "unless", "hosts", "fill", "click",
					       "submit", "wait", "times",  "stop",  NULL };
	json_t *name = json_object_get(step, "name");

	if (recipe_check_members(step, members, err) < 0 ||
	    (name != NULL && recipe_check_text("name", name, 60, err) < 0) ||
	    read_condition(step, out, err) < 0 || read_places(step, r, out, err) < 0 ||
	    read_fill(step, out, err) < 0 || read_action(step, out, err) < 0)
		return -EINVAL;
	if (json_array_size(json_object_get(out, "if")) == 0)
		return error_set(err, -EINVAL,
				 "if: is missing; a selector says which page it is for");
	json_object_set_new(out, "name", name ? json_incref(name) : json_string(""));
	return 0;
}

static int read_error(json_t *entry, struct recipe *r, json_t *out, struct error *err)
{
	static const char *const members[] = { "if", "unless", "code", "message", NULL };
	json_t *code = json_object_get(entry, "code"), *message = json_object_get(entry, "message");
	const char *word = json_string_value(code);

	(void)r;
	if (recipe_check_members(entry, members, err) < 0 || read_condition(entry, out, err) < 0)
		return -EINVAL;
	if (json_array_size(json_object_get(out, "if")) == 0)
		return error_set(err, -EINVAL, "if: is missing; a selector of the message");
	if (word == NULL || !recipe_is_one_of(word, error_codes))
		return recipe_wrong_word("code", word ? word : "", error_codes, err);
	if (message != NULL && recipe_check_text("message", message, MAX_SENTENCE, err) < 0)
		return -EINVAL;
	json_object_set(out, "code", code);
	if (message != NULL)
		json_object_set(out, "message", message);
	return 0;
}

/* ---- the whole ---- */

typedef int read_entry_fn(json_t *entry, struct recipe *r, json_t *out, struct error *err);

static int read_list(json_t *root, const char *member, size_t max, read_entry_fn *read,
		     struct recipe *r, struct error *err)
{
	json_t *from = json_object_get(root, member), *to = json_object_get(r->page, member),
	       *entry;
	size_t i;

	if (from != NULL && (!json_is_array(from) || json_array_size(from) > max))
		return error_set(err, -EINVAL, "%s: must be an array of at most %zu", member, max);
	json_array_foreach (from, i, entry) {
		json_t *out = json_object();

		json_array_append_new(to, out);
		if (read(entry, r, out, err) < 0)
			return error_prefix(err, "%s[%zu]", member, i);
	}
	return 0;
}

static int read_start(json_t *root, struct recipe *r, struct error *err)
{
	json_t *start = json_object_get(root, "start");
	const char *text = json_string_value(start);

	r->start = mem_strdup(text && text[0] == '/' ? text : "");
	if (start == NULL || (text != NULL && text[0] == '\0'))
		return 0;
	if (recipe_check_text("start", start, MAX_START, err) < 0)
		return -EINVAL;
	if (text[0] == '/')
		return text[1] != '/' && strpbrk(text, " \\<>\"") == NULL
			       ? 0
			       : error_set(err, -EINVAL,
					   "start: \"%s\" is no path below the site's "
					   "address, e.g. /auth/shibboleth/index.php",
					   text);
	if (recipe_check_selector("start", start, err) < 0)
		return -EINVAL;
	json_array_append_new(json_object_get(r->page, "steps"),
			      json_pack("{ss s[O] s[] s[] s[] sO si sb}", "name", "start", "if",
					start, "unless", "origins", "fill", "click", start, "times",
					1, "on_site", 1));
	return 0;
}

static int read_limit(json_t *root, struct recipe *r, struct error *err)
{
	json_t *limit = json_object_get(root, "time_limit_s");

	r->time_limit_s = limit ? (int)json_integer_value(limit) : LIMIT_S;
	if (limit == NULL || (json_is_integer(limit) && json_integer_value(limit) >= MIN_LIMIT_S &&
			      json_integer_value(limit) <= MAX_LIMIT_S))
		return 0;
	return error_set(err, -EINVAL, "time_limit_s: a number from %d to %d", MIN_LIMIT_S,
			 MAX_LIMIT_S);
}

static int expect_password(const struct recipe *r, struct error *err)
{
	json_t *step, *pair;
	size_t i, k;

	json_array_foreach (json_object_get(r->page, "steps"), i, step)
		json_array_foreach (json_object_get(step, "fill"), k, pair)
			if (strcmp(json_string_value(json_array_get(pair, 1)), "password") == 0)
				return 0;
	return error_set(err, -EINVAL,
			 "steps: no step fills in the password: "
			 "{\"fill\": {\"#password\": \"password\"}}");
}

static int read_root(json_t *root, struct recipe *r, struct error *err)
{
	static const char *const members[] = { "comment",      "hosts",	 "assets", "start",
					       "time_limit_s", "errors", "steps",  NULL };

	if (recipe_check_members(root, members, err) < 0 ||
	    add_hosts("hosts", json_object_get(root, "hosts"), r->origins, err) < 0 ||
	    add_hosts("assets", json_object_get(root, "assets"), r->assets, err) < 0)
		return -EINVAL;
	if (json_array_size(r->origins) == 0)
		return error_set(err, -EINVAL,
				 "hosts: is missing: the hosts that the sign-in goes "
				 "to, e.g. [\"login.example.edu\"]");
	if (read_start(root, r, err) < 0 || read_limit(root, r, err) < 0 ||
	    read_list(root, "errors", MAX_ERRORS, read_error, r, err) < 0 ||
	    read_list(root, "steps", RECIPE_MAX_STEPS - 1, read_step, r, err) < 0)
		return -EINVAL;
	return expect_password(r, err);
}

int recipe_parse(const char *text, size_t len, struct recipe *ret, struct error *err)
{
	struct recipe r = { .page = json_pack("{s[] s[]}", "errors", "steps"),
			    .origins = json_array(),
			    .assets = json_array() };
	json_error_t why;
	json_t *root;
	int e;

	if (len > RECIPE_MAX_BYTES)
		e = error_set(err, -EFBIG, "more than %d bytes", RECIPE_MAX_BYTES);
	else if ((root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)) == NULL)
		e = error_set(err, -EINVAL, "line %d, column %d: %s", why.line, why.column,
			      why.text);
	else {
		e = read_root(root, &r, err);
		json_decref(root);
	}
	if (e < 0)
		recipe_done(&r);
	else
		*ret = r;
	return e;
}

int recipe_read(const char *path, struct recipe *ret, struct error *err)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	int e = file_read(path, RECIPE_MAX_BYTES, &text, err);

	if (e == 0 && (e = recipe_parse(text.data, text.len, ret, err)) < 0)
		error_prefix(err, "%s", path);
	return e;
}

void recipe_done(struct recipe *r)
{
	json_decref(r->page);
	json_decref(r->origins);
	json_decref(r->assets);
	free(r->start);
	*r = (struct recipe)RECIPE_INIT;
}
