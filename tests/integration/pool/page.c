/* Waiting, dialogs, cookies, and what a page may load (page_wait.h, page_intercept.h). */
#include "leased.h"

#include <errno.h>
#include <signal.h>

#include "mem.h"
#include "page_intercept.h"
#include "page_wait.h"

/* Whether the site was asked for that path since it was last asked to forget. */
static bool was_asked(struct lease *l, const char *path)
{
	CLEANUP_FREE char *word = mem_printf(" %s ", path);

	return strstr(evaluate(l, "fetch('/seen').then((r) => r.text())"), word) != NULL;
}

/* ---- waiting ---- */

static void test_waits_until_the_page_says_so_in_one_call(void **state)
{
	struct lease *l = begin_at("/later");
	struct error err = { 0 };
	json_t *value = NULL;

	(void)state;
	must(page_wait_for(l, "document.querySelector('#late').textContent", soon(), &value, &err),
	     &err);
	assert_string_equal(json_string_value(value), "here");
	json_decref(value);
	value = NULL;
	evaluate(l, "setTimeout(() => (window.ready = [7]), 100); 0");
	must(page_wait_for(l, "window.ready // no change of the document", soon(), &value, &err),
	     &err);
	assert_int_equal(json_integer_value(json_array_get(value, 0)), 7);
	json_decref(value);
}

static void test_a_wait_that_fails_says_what_was_wrong(void **state)
{
	struct lease *l = begin_at("/later");
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_wait_for(l, "nothing.there", deadline_in(600), NULL, &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.text, "nothing is not defined"));
	assert_int_equal(page_wait_for(l, "1 +", soon(), NULL, &err), -EREMOTEIO);
	assert_int_equal(page_wait_for(l, "(() => { while (1); })()", deadline_in(300), NULL, &err),
			 -ETIMEDOUT);
}

static void test_a_wait_goes_on_in_the_next_document(void **state)
{
	struct lease *l = begin_at("/later");
	struct error err = { 0 };

	(void)state;
	evaluate(l, "setTimeout(() => { location.href = '/next' }, 200); 0");
	must(page_wait_for(l, "location.pathname === '/next'", soon(), NULL, &err), &err);
}

static void test_waits_for_the_navigation_that_a_click_begins(void **state)
{
	struct lease *l = begin_at("/frames");
	struct error err = { 0 };

	(void)state;
	evaluate(l, "document.querySelector('a').click()");
	must(page_wait_navigation(l, soon(), &err), &err);
	assert_string_equal(evaluate(l, "[location.pathname, document.readyState]"),
			    "[\"/next\",\"complete\"]");
	evaluate(l, "location.href = 'http://127.0.0.1:4/'; 0");
	assert_int_equal(page_wait_navigation(l, soon(), &err), -EHOSTUNREACH);
}

static void test_a_page_that_goes_elsewhere_ends_the_script(void **state)
{
	struct lease *l = begin_at("/later");
	struct error err = { 0 };

	(void)state;
	assert_int_equal(page_evaluate(l, "location.href = '/next'; new Promise(() => {})", soon(),
				       NULL, &err),
			 -ESTALE);
	assert_string_equal(lease_end_reason(l), "");
}

static void test_dialogs_are_answered_inside_any_call(void **state)
{
	struct lease *l = begin_at("/alert");
	struct error err = { 0 };

	(void)state;
	assert_string_equal(evaluate(l, "[alert('a'), confirm('b'), prompt('c'), said]"),
			    "[null,false,null,\"after the alert\"]");
	evaluate(l, "setTimeout(() => { alert('later'); window.past = 1 }, 50); 0");
	must(page_wait_for(l, "window.past", soon(), NULL, &err), &err);
}

/* ---- cookies ---- */

static void test_cookies_are_all_seen_and_cleared(void **state)
{
	struct lease *l = begin_at("/cookies");
	json_t *cookies = NULL;
	struct error err = { 0 };

	(void)state;
	must(page_get_cookies(l, NULL, soon(), &cookies, &err), &err);
	assert_int_equal(json_array_size(cookies), 2);
	json_decref(cookies);
	must(page_clear_cookies(l, soon(), &err), &err);
	must(page_get_cookies(l, NULL, soon(), &cookies, &err), &err);
	assert_int_equal(json_array_size(cookies), 0);
	json_decref(cookies);
}

/* ---- what the page may load ---- */

static void test_refused_kinds_never_reach_the_site(void **state)
{
	static const char *const urls[] = { "*/private/*", NULL };
	struct page_rules rules = { .block_kinds = PAGE_IMAGES | PAGE_STYLES | PAGE_FONTS,
				    .block_urls = urls };
	struct lease *l = begin_at("/rich?forget");
	struct error err = { 0 };

	(void)state;
	assert_true(was_asked(l, "/a.png") && was_asked(l, "/a.css") && was_asked(l, "/a.js"));
	must(page_intercept(l, &rules, soon(), &err), &err);
	open_page(l, "/rich?forget");
	assert_true(was_asked(l, "/a.js"));
	assert_false(was_asked(l, "/a.png") || was_asked(l, "/a.css"));
	assert_string_equal(evaluate(l, "fetch('/private/x').then(() => 1, () => 'refused')"),
			    "\"refused\"");
	assert_false(was_asked(l, "/private/x"));
	assert_int_equal(page_refused_count(l), 3);
	must(page_intercept_end(l, soon(), &err), &err);
	open_page(l, "/rich?forget");
	assert_true(was_asked(l, "/a.png"));
}

static void test_a_page_is_kept_to_its_hosts(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", ".example.org", NULL };
	struct page_rules rules = { .allow_hosts = hosts };
	CLEANUP_FREE char *script = mem_printf(
		"Promise.all(['%s/x', '/to?%s/x', '/x', 'data:,x'].map((u) => fetch(u, { mode: "
		"'no-cors' }).then(() => 1, () => 0)))",
		getenv("OTHER_URL"), getenv("OTHER_URL"));
	struct lease *l = begin(60000);
	struct error err = { 0 };

	(void)state;
	must(page_intercept(l, &rules, soon(), &err), &err);
	open_page(l, "/rich?forget");
	/* Four of these are held at once, and answered inside this one call. */
	assert_string_equal(evaluate(l, script), "[0,0,1,1]");
	assert_int_equal(page_refused_count(l), 2);
	assert_true(was_asked(l, "/a.png"));
}

static void test_what_is_held_is_let_go_whoever_waits(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", NULL };
	struct page_rules rules = { .allow_hosts = hosts };
	struct lease *l = begin(60000);
	struct error err = { 0 };

	(void)state;
	must(page_intercept(l, &rules, soon(), &err), &err);
	open_page(l, "/later");
	evaluate(l, "setTimeout(() => { location.href = '/rich' }, 20); 0");
	must(page_wait_for(l, "window.own && document.readyState === 'complete'", soon(), NULL,
			   &err),
	     &err);
	evaluate(l, "setTimeout(() => { location.href = '/next' }, 20); 0");
	must(lease_wait_event(l, "Page.loadEventFired", soon(), NULL, &err), &err);
	assert_string_equal(evaluate(l, "location.pathname"), "\"/next\"");
}

/* The pool lets a client have 256 open calls. */
static void test_a_thousand_held_requests_are_all_answered(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", NULL };
	struct page_rules rules = { .allow_hosts = hosts };
	struct lease *l = begin(60000);
	struct error err = { 0 };

	(void)state;
	open_page(l, "/next");
	must(page_intercept(l, &rules, soon(), &err), &err);
	evaluate(l,
		 "window.all = Promise.all(Array.from({ length: 1000 }, (_, i) => fetch('/x?' + i)"
		 ".then((r) => r.text()))); 0");
	clock_sleep_ms(1000); /* the worker is busy elsewhere, and they gather */
	assert_string_equal(evaluate(l, "all.then((a) => a.length)"), "1000");
}

static void test_a_page_stands_at_an_address_that_nobody_is_asked_for(void **state)
{
	struct lease *l;
	CLEANUP_FREE char *url = mem_printf("%s/never", getenv("SITE_URL"));
	struct error err = { 0 };

	(void)state;
	evaluate(begin_at("/next"), "fetch('/forgotten?forget').then(() => 0)");
	l = begin(60000);
	must(page_stand_at(l, url, soon(), &err), &err);
	assert_string_equal(evaluate(l, "[location.pathname, document.readyState, "
					"document.documentElement.textContent]"),
			    "[\"/never\",\"complete\",\"\"]");
	assert_false(was_asked(l, "/never"));
	evaluate(l, "fetch('/cookies').then(() => 0)");
	assert_string_equal(evaluate(l, "fetch('/who').then((r) => r.text())"),
			    "\"host=only; strict=x\"");
	open_page(l, "/next");
	assert_string_equal(evaluate(l, "document.title"), "\"next\"");
}

/* ---- the lease's end ---- */

static void test_the_leases_end_ends_every_helper(void **state)
{
	struct lease *l = begin(1500);
	struct error err = { 0 };

	(void)state;
	open_page(l, "/later");
	assert_int_equal(page_wait_for(l, "false", soon(), NULL, &err), -EPIPE);
	assert_string_equal(lease_end_reason(l), "expired");
	assert_non_null(strstr(err.text, "expired"));
	assert_int_equal(page_wait_navigation(l, soon(), &err), -EPIPE);
	assert_int_equal(page_intercept(l, &(struct page_rules){ 0 }, soon(), &err), -EPIPE);
	assert_int_equal(page_clear_cookies(l, soon(), &err), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_waits_until_the_page_says_so_in_one_call, end),
		cmocka_unit_test_teardown(test_a_wait_that_fails_says_what_was_wrong, end),
		cmocka_unit_test_teardown(test_a_wait_goes_on_in_the_next_document, end),
		cmocka_unit_test_teardown(test_waits_for_the_navigation_that_a_click_begins, end),
		cmocka_unit_test_teardown(test_a_page_that_goes_elsewhere_ends_the_script, end),
		cmocka_unit_test_teardown(test_dialogs_are_answered_inside_any_call, end),
		cmocka_unit_test_teardown(test_cookies_are_all_seen_and_cleared, end),
		cmocka_unit_test_teardown(test_refused_kinds_never_reach_the_site, end),
		cmocka_unit_test_teardown(test_a_page_is_kept_to_its_hosts, end),
		cmocka_unit_test_teardown(test_what_is_held_is_let_go_whoever_waits, end),
		cmocka_unit_test_teardown(test_a_thousand_held_requests_are_all_answered, end),
		cmocka_unit_test_teardown(test_a_page_stands_at_an_address_that_nobody_is_asked_for,
					  end),
		cmocka_unit_test_teardown(test_the_leases_end_ends_every_helper, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
