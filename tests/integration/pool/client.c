/* lease.h and page.h against a real pool: $POOL_SOCKET, and the site of client.test.mjs: $SITE_URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "mem.h"
#include "page.h"

static struct deadline soon(void)
{
	return deadline_in(10000);
}

static struct lease *begin(const struct lease_request *req)
{
	struct lease *l = NULL;
	struct error err = { 0 };

	if (lease_begin(getenv("POOL_SOCKET"), req, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static struct lease *begin_plain(void)
{
	struct lease_request req = { .cls = POOL_CHECK, .wait_ms = 10000, .tag = "client-test" };

	return begin(&req);
}

static struct lease *begin_prepared(void)
{
	struct lease *l = begin_plain();
	struct error err = { 0 };

	if (page_prepare(l, soon(), &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static int go(struct lease *l, const char *path, struct error *err)
{
	CLEANUP_FREE char *url = mem_printf("%s%s", getenv("SITE_URL"), path);

	return page_goto(l, url, soon(), err);
}

static void must_go(struct lease *l, const char *path)
{
	struct error err = { 0 };

	if (go(l, path, &err) < 0)
		fail_msg("%s", err.text);
}

/* The value as compact JSON; valid until the next call. */
static const char *evaluate(struct lease *l, const char *expression)
{
	static char text[4096];
	json_t *value = NULL;
	struct error err = { 0 };
	char *dump;

	if (page_evaluate(l, expression, soon(), &value, &err) < 0)
		fail_msg("%s", err.text);
	dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	snprintf(text, sizeof(text), "%s", dump);
	free(dump);
	json_decref(value);
	return text;
}

static void test_evaluates_by_value_and_awaits(void **state)
{
	struct lease *l = begin_plain();

	(void)state;
	assert_string_equal(evaluate(l, "({a: [6 * 7, 'x'], b: null})"),
			    "{\"a\":[42,\"x\"],\"b\":null}");
	assert_string_equal(evaluate(l, "(async () => { await 0; return 'later'; })()"),
			    "\"later\"");
	assert_string_equal(evaluate(l, "undefined"), "null");
	assert_string_equal(lease_end_reason(l), "");
	lease_end(l);
}

static void test_a_script_that_throws_gives_its_first_line(void **state)
{
	struct lease *l = begin_plain();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_evaluate(l, "null.x", soon(), NULL, &err), -EREMOTEIO);
	assert_non_null(strstr(err.text, "TypeError: Cannot read properties of null"));
	assert_null(strchr(err.text, '\n'));
	assert_int_equal(page_evaluate(l, "Promise.reject('no')", soon(), NULL, &err), -EREMOTEIO);
	assert_string_equal(err.text, "script: no");
	assert_int_equal(page_evaluate(l, "(", soon(), NULL, &err), -EREMOTEIO);
	assert_string_equal(evaluate(l, "1"), "1");
	lease_end(l);
}

static void test_goes_to_the_origin_without_the_rest_of_the_page(void **state)
{
	struct lease *l = begin_prepared();

	(void)state;
	must_go(l, "/");
	assert_string_equal(evaluate(l, "[document.title, typeof own]"),
			    "[\"site\",\"undefined\"]");
	assert_string_equal(evaluate(l, "fetch('/seen').then((r) => r.text())"), "\"/\"");
	/* Our own scripts may fetch what the page may not, and have their timers. */
	assert_string_equal(evaluate(l, "fetch('/a.png').then((r) => r.text())"), "\"x\"");
	assert_string_equal(evaluate(l, "new Promise((r) => setTimeout(() => r('fired'), 10))"),
			    "\"fired\"");
	must_go(l, "/move");
	assert_string_equal(evaluate(l, "location.pathname"), "\"/\"");
	lease_end(l);
}

static void test_says_why_a_site_did_not_answer(void **state)
{
	struct lease *l = begin_prepared();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_goto(l, "http://127.0.0.1:4/", soon(), &err), -EHOSTUNREACH);
	assert_non_null(strstr(err.text, "net::ERR_CONNECTION_REFUSED"));
	assert_int_equal(page_goto(l, "http://nowhere.invalid/", soon(), &err), -EHOSTUNREACH);
	assert_non_null(strstr(err.text, "net::ERR_"));
	assert_int_equal(go(l, "/503", &err), -EHOSTUNREACH);
	assert_non_null(strstr(err.text, "HTTP 503"));
	assert_int_equal(go(l, "/429", &err), -EHOSTUNREACH);
	assert_int_equal(go(l, "/404", &err), 0);
	assert_int_equal(go(l, "/403", &err), 0);
	assert_int_equal(go(l, "/empty404", &err), 0);
	assert_string_equal(evaluate(l, "location.pathname"), "\"/empty404\"");
	assert_int_equal(page_goto(l, "file:///etc/passwd", soon(), &err), -EREMOTEIO);
	must_go(l, "/");
	lease_end(l);
}

static void test_tells_when_a_busy_site_wants_to_be_asked_again(void **state)
{
	CLEANUP_FREE char *busy = mem_printf("%s/busy", getenv("SITE_URL"));
	struct lease *l = begin_prepared();
	struct error err = { 0 };

	(void)state;
	assert_string_equal(page_retry_after(l), "");
	assert_int_equal(page_goto(l, busy, soon(), &err), -EHOSTUNREACH);
	assert_string_equal(page_retry_after(l), "7");
	assert_int_equal(go(l, "/503", &err), -EHOSTUNREACH);
	assert_string_equal(page_retry_after(l), "");
	assert_int_equal(go(l, "/shut", &err), -EHOSTUNREACH);
	assert_string_equal(page_retry_after(l), "Fri, 31 Dec 2100 23:59:59 GMT");
	must_go(l, "/tomorrow");
	assert_string_equal(page_retry_after(l), "");
	assert_int_equal(page_open(l, busy, soon(), &err), -EHOSTUNREACH);
	assert_string_equal(page_retry_after(l), "7");
	lease_end(l);
}

static void test_a_site_that_never_answers_costs_no_more_than_the_deadline(void **state)
{
	CLEANUP_FREE char *url = mem_printf("%s/never", getenv("SITE_URL"));
	struct lease *l = begin_prepared();
	int64_t begun = clock_now_ms();

	(void)state;
	assert_int_equal(page_goto(l, url, deadline_in(300), NULL), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - begun, 290, 8000);
	lease_end(l);
}

static json_t *find_cookie(json_t *cookies, const char *name)
{
	json_t *cookie;
	size_t i;

	json_array_foreach (cookies, i, cookie)
		if (strcmp(json_string_value(json_object_get(cookie, "name")), name) == 0)
			return cookie;
	fail_msg("no cookie %s", name);
	return NULL;
}

static json_t *cookies_of(struct lease *l)
{
	json_t *cookies = NULL;
	struct error err = { 0 };

	if (page_get_cookies(l, getenv("SITE_URL"), soon(), &cookies, &err) < 0)
		fail_msg("%s", err.text);
	return cookies;
}

static void test_cookies_move_to_another_page_as_they_were(void **state)
{
	static const char *const kept[] = { "domain", "path", "httpOnly", "secure", "session" };
	struct lease *l = begin_prepared();
	json_t *before, *after;

	(void)state;
	must_go(l, "/cookies");
	before = cookies_of(l);
	lease_end(l);
	l = begin_prepared();
	assert_int_equal(page_set_cookies(l, before, soon(), NULL), 0);
	must_go(l, "/");
	/* Cookies of one instant go in any order. */
	assert_string_equal(evaluate(l, "fetch('/sent').then((r) => r.text())"
					".then((t) => t.split('; ').sort().join('; '))"),
			    "\"host=only; later=x\"");
	after = cookies_of(l);
	assert_int_equal(json_array_size(after), json_array_size(before));
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		assert_true(json_equal(json_object_get(find_cookie(before, "host"), kept[i]),
				       json_object_get(find_cookie(after, "host"), kept[i])));
		assert_true(json_equal(json_object_get(find_cookie(before, "later"), kept[i]),
				       json_object_get(find_cookie(after, "later"), kept[i])));
	}
	/* The site's own new cookie replaces ours instead of standing beside it. */
	must_go(l, "/cookies");
	json_decref(after);
	after = cookies_of(l);
	assert_int_equal(json_array_size(after), 2);
	json_decref(before);
	json_decref(after);
	lease_end(l);
}

static void test_after_a_timeout_the_lease_goes_on(void **state)
{
	struct lease *l = begin_plain();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_evaluate(l, "new Promise((r) => setTimeout(r, 400))",
				       deadline_in(100), NULL, &err),
			 -ETIMEDOUT);
	clock_sleep_ms(400);
	assert_string_equal(evaluate(l, "'next'"), "\"next\"");
	lease_end(l);
}

static int count_tick(void *arg)
{
	int *left = arg;

	return --*left < 0;
}

static void test_the_tick_comes_while_waiting_and_can_cancel(void **state)
{
	int left = 3;
	struct lease_request req = { .cls = POOL_CHECK, .tick = count_tick, .tick_arg = &left };
	struct lease *l;
	int64_t begun = clock_now_ms();
	struct error err = { 0 };

	(void)state;
	l = begin(&req);
	assert_int_equal(page_evaluate(l, "new Promise(() => {})", soon(), NULL, &err), -ECANCELED);
	assert_int_equal(left, -1);
	assert_true(clock_now_ms() - begun >= 1000);
	lease_end(l);
}

static void test_the_end_of_a_lease_has_a_reason(void **state)
{
	struct lease_request req = { .cls = POOL_CHECK, .ttl_ms = 300 };
	struct lease *l = begin(&req);
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_evaluate(l, "while (1);", soon(), NULL, &err), -EPIPE);
	assert_string_equal(lease_end_reason(l), "expired");
	assert_non_null(strstr(err.text, "expired"));
	assert_int_equal(page_evaluate(l, "1", soon(), NULL, &err), -EPIPE);
	assert_int_equal(lease_wait_event(l, "Page.loadEventFired", soon(), NULL, &err), -EPIPE);
	lease_end(l);
}

static void test_a_refusal_is_busy_and_says_why(void **state)
{
	struct lease_request req = { .cls = POOL_CHECK, .wait_ms = 200 };
	struct lease *a = begin_plain(), *b = begin_plain(), *c = NULL;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(lease_begin(getenv("POOL_SOCKET"), &req, &c, &err), -EBUSY);
	assert_non_null(strstr(err.text, "wait_over"));
	assert_null(c);
	req.tag = "not a tag";
	assert_int_equal(lease_begin(getenv("POOL_SOCKET"), &req, &c, &err), -EINVAL);
	lease_end(a);
	lease_end(b);
	assert_int_equal(lease_begin("/nowhere/sock", &req, &c, &err), -ENOENT);
}

struct meanwhile {
	int calls;
	int64_t ended_ms; /* wall clock */
};

static void take_a_while(void *arg)
{
	struct meanwhile *m = arg;

	m->calls++;
	clock_sleep_ms(1000);
	m->ended_ms = clock_wall_ms();
}

static void test_the_browser_works_while_something_is_computed(void **state)
{
	struct lease *l = begin_prepared();
	struct meanwhile m = { 0 };
	json_t *began = NULL;

	(void)state;
	lease_meanwhile(l, take_a_while, &m);
	assert_int_equal(page_evaluate(l, "Date.now()", soon(), &began, NULL), 0);
	assert_int_equal(m.calls, 1);
	assert_true(json_integer_value(began) < m.ended_ms);
	assert_int_equal(page_evaluate(l, "0", soon(), NULL, NULL), 0);
	assert_int_equal(m.calls, 1);
	lease_meanwhile(l, take_a_while, &m);
	lease_meanwhile(l, NULL, NULL);
	assert_int_equal(page_evaluate(l, "0", soon(), NULL, NULL), 0);
	assert_int_equal(m.calls, 1);
	json_decref(began);
	lease_end(l);
}

static void test_events_are_kept_from_the_call_on(void **state)
{
	struct lease *l = begin_plain();
	json_t *params = json_pack("{ss}", "url", "data:text/html,<p>x"), *event = NULL;

	(void)state;
	assert_int_equal(lease_call(l, "Page.enable", NULL, soon(), NULL, NULL), 0);
	assert_int_equal(lease_call(l, "Page.navigate", params, soon(), NULL, NULL), 0);
	assert_int_equal(lease_wait_event(l, "Page.domContentEventFired", soon(), &event, NULL), 0);
	assert_true(json_is_number(json_object_get(event, "timestamp")));
	json_decref(event);
	assert_int_equal(lease_wait_event(l, "Page.loadEventFired", soon(), NULL, NULL), 0);
	assert_int_equal(lease_wait_event(l, "Page.loadEventFired", deadline_in(100), NULL, NULL),
			 -ETIMEDOUT);
	json_decref(params);
	lease_end(l);
}

/* A pool that lends and then dies without a word. */
static pid_t start_dying_pool(const char *path)
{
	static const char leased[] =
		"{\"type\":\"leased\",\"lease\":1,\"ttl_ms\":1,\"browser\":\"\"}";
	int fd = fd_unix_listen(path, 0600, 1, NULL);
	pid_t pid = fork();

	if (pid == 0) {
		char byte;
		int peer = fd_wait(fd, POLLIN, soon()) > 0 ? accept(fd, NULL, NULL) : -1;

		(void)!read(peer, &byte, 1);
		(void)!write(peer, leased, sizeof(leased));
		_exit(0);
	}
	close(fd);
	return pid;
}

static void test_a_pool_that_dies_is_gone(void **state)
{
	CLEANUP_FREE char *path = mem_printf("%s.dying", getenv("POOL_SOCKET"));
	struct lease_request req = { .cls = POOL_CHECK, .wait_ms = 5000 };
	pid_t pid = start_dying_pool(path);
	struct lease *l = NULL;

	(void)state;
	assert_int_equal(lease_begin(path, &req, &l, NULL), 0);
	assert_int_equal(page_evaluate(l, "1", soon(), NULL, NULL), -EPIPE);
	assert_string_equal(lease_end_reason(l), "pool_gone");
	lease_end(l);
	waitpid(pid, NULL, 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluates_by_value_and_awaits),
		cmocka_unit_test(test_a_script_that_throws_gives_its_first_line),
		cmocka_unit_test(test_goes_to_the_origin_without_the_rest_of_the_page),
		cmocka_unit_test(test_says_why_a_site_did_not_answer),
		cmocka_unit_test(test_tells_when_a_busy_site_wants_to_be_asked_again),
		cmocka_unit_test(test_a_site_that_never_answers_costs_no_more_than_the_deadline),
		cmocka_unit_test(test_cookies_move_to_another_page_as_they_were),
		cmocka_unit_test(test_after_a_timeout_the_lease_goes_on),
		cmocka_unit_test(test_the_tick_comes_while_waiting_and_can_cancel),
		cmocka_unit_test(test_the_end_of_a_lease_has_a_reason),
		cmocka_unit_test(test_a_refusal_is_busy_and_says_why),
		cmocka_unit_test(test_the_browser_works_while_something_is_computed),
		cmocka_unit_test(test_events_are_kept_from_the_call_on),
		cmocka_unit_test(test_a_pool_that_dies_is_gone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
