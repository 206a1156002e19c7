/* The pool's list of CDP methods: what passes, what does not, and that the list is in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The list itself is looked at. */
#include "../../browser-pool/filter.c"

static int check(const char *method, const char *params, struct error *err)
{
	CLEANUP_FREE char *text =
		params ? mem_printf("{\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params)
		       : mem_printf("{\"id\":1,\"method\":\"%s\"}", method);
	struct cdpmsg m;

	assert_int_equal(cdpmsg_scan(text, strlen(text), &m, err), 0);
	return filter_check(&m, err);
}

static void test_the_list_is_sorted_and_every_row_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		assert_ptr_equal(find_rule(rules[i].method, strlen(rules[i].method)), &rules[i]);
		if (i > 0)
			assert_true(strcmp(rules[i - 1].method, rules[i].method) < 0);
	}
}

static void test_what_reaches_beyond_the_page_is_refused(void **state)
{
	static const char *const methods[] = {
		"Browser.close",
		"Target.attachToTarget",
		"SystemInfo.getInfo",
		"Tracing.start",
		"Storage.getCookies",
		"Page.setDownloadBehavior",
		"Page.crash",
		"DOM.setFileInputFiles",
		"DOM.getFileInfo",
		"Input.dispatchDragEvent",
		"Network.loadNetworkResource",
		"Memory.simulatePressureNotification",
		"Runtime",
		"Runtim.evaluate",
		"Runtime2.evaluate",
		"Page",
		"Page.",
		"Page.navigat",
		"Page.navigatee",
		"page.navigate",
		"*",
		".*",
		"Lo*",
		"A.B.C",
		"Log",
		"AVeryLongDomainNameThatIsLongerThanAnyDomain.method",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (check(methods[i], NULL, &err) != -ENOSYS)
			fail_msg("passed: %s", methods[i]);
	check("Browser.close", NULL, &err);
	assert_string_equal(err.text, "pool: method not allowed: Browser.close");
}

static void test_whole_domains_pass(void **state)
{
	(void)state;
	assert_int_equal(check("Runtime.evaluate", "{}", NULL), 0);
	assert_int_equal(check("Log.enable", NULL, NULL), 0);
	assert_int_equal(check("Page.printToPDF", NULL, NULL), 0);
}

static void test_only_harmless_addresses_are_opened(void **state)
{
	static const char *const good[] = {
		"https://moodle.example/",
		"HTTP://moodle.example/",
		"about:blank",
		"data:text/html,x",
	};
	static const char *const bad[] = {
		"file:///etc/passwd",
		" https://x",
		"\\thttps://x",
		"view-source:https://x",
		"chrome://gpu",
		"javascript:1",
		"about:blank#",
		"about:version",
		"ftp://x",
		"blob:https://x",
		"",
		"https:x",
		"filesystem:http://x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP_FREE char *params = mem_printf("{\"url\":\"%s\"}", good[i]);

		assert_int_equal(check("Page.navigate", params, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_FREE char *params = mem_printf("{\"url\":\"%s\"}", bad[i]);

		if (check("Page.navigate", params, NULL) != -EPERM)
			fail_msg("opened: %s", bad[i]);
	}
	assert_int_equal(check("Page.navigate", NULL, NULL), -EPERM);
	assert_int_equal(check("Page.navigate", "[]", NULL), -EPERM);
	assert_int_equal(check("Page.navigate", "{\"url\":1}", NULL), -EPERM);
	assert_int_equal(
		check("Page.navigate", "{\"url\":\"about:blank\",\"url\":\"file:///\"}", NULL),
		-EPERM);
}

static void test_parameters_that_cannot_be_read_once_are_refused(void **state)
{
	(void)state;
	assert_int_equal(check("Fetch.continueRequest", "{\"requestId\":\"1\"}", NULL), 0);
	assert_int_equal(check("Fetch.continueRequest", "{\"url\":\"file:///x\"}", NULL), -EPERM);
	assert_int_equal(check("Fetch.continueRequest", "{\"a\":1,\"a\":2}", NULL), -EPERM);
	assert_int_equal(check("Page.createIsolatedWorld", "{\"frameId\":\"1\"}", NULL), 0);
	assert_int_equal(check("Page.createIsolatedWorld", "{\"grantUniveralAccess\":true}", NULL),
			 -EPERM);
	assert_int_equal(check("Page.createIsolatedWorld",
			       "{\"grantUniveralAccess\":false,\"grantUniveralAccess\":true}",
			       NULL),
			 -EPERM);
}

static void test_children_are_attached_to_flatly_and_nothing_else_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(check("Target.setAutoAttach",
			       "{\"autoAttach\":true,\"waitForDebuggerOnStart\":true,"
			       "\"flatten\":true}",
			       NULL),
			 0);
	assert_int_equal(check("Target.setAutoAttach", "{\"autoAttach\":true}", NULL), -EPERM);
	assert_int_equal(check("Target.getTargetInfo", NULL, NULL), 0);
	assert_int_equal(check("Target.getTargetInfo", "{\"targetId\":\"A\"}", NULL), -EPERM);
}

static void test_keys_and_the_mouse_do_not_paste(void **state)
{
	static const char *const good[] = {
		"{\"type\":\"keyDown\",\"key\":\"v\",\"windowsVirtualKeyCode\":86,\"text\":\"v\"}",
		"{\"modifiers\":8,\"key\":\"V\",\"windowsVirtualKeyCode\":86}",
		"{\"modifiers\":2,\"windowsVirtualKeyCode\":67,\"commands\":[\"copy\"]}",
		"{\"windowsVirtualKeyCode\":45}",
		"{\"modifiers\":2,\"windowsVirtualKeyCode\":45}",
		"{\"key\":\"Enter\",\"windowsVirtualKeyCode\":13}",
	};
	static const char *const bad[] = {
		"{\"modifiers\":2,\"windowsVirtualKeyCode\":86}",
		"{\"modifiers\":2.0,\"windowsVirtualKeyCode\":86.0}",
		"{\"modifiers\":10,\"windowsVirtualKeyCode\":86}",
		"{\"modifiers\":8,\"windowsVirtualKeyCode\":45}",
		"{\"windowsVirtualKeyCode\":131158}",
		"{\"windowsVirtualKeyCode\":-1}",
		"{\"windowsVirtualKeyCode\":1e99}",
		"{\"key\":\"Paste\"}",
		"{\"key\":\"a\",\"commands\":[\"selectAll\",\"paste\"]}",
		"{\"key\":\"a\",\"commands\":[\"PasteGlobalSelection\"]}",
		"{\"key\":\"a\",\"commands\":[\"pAsTeAndMatchStyle\"]}",
		"{\"key\":\"a\",\"commands\":[],\"commands\":[\"paste\"]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (check("Input.dispatchKeyEvent", good[i], NULL) != 0)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (check("Input.dispatchKeyEvent", bad[i], NULL) != -EPERM)
			fail_msg("passed: %s", bad[i]);
	assert_int_equal(check("Input.dispatchMouseEvent", "{\"button\":\"left\"}", NULL), 0);
	assert_int_equal(check("Input.dispatchMouseEvent", "{\"button\":\"middle\"}", NULL),
			 -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_list_is_sorted_and_every_row_is_found),
		cmocka_unit_test(test_what_reaches_beyond_the_page_is_refused),
		cmocka_unit_test(test_whole_domains_pass),
		cmocka_unit_test(test_only_harmless_addresses_are_opened),
		cmocka_unit_test(test_parameters_that_cannot_be_read_once_are_refused),
		cmocka_unit_test(
			test_children_are_attached_to_flatly_and_nothing_else_is_asked_for),
		cmocka_unit_test(test_keys_and_the_mouse_do_not_paste),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
