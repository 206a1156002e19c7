#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "mem.h"

#define MAX_BYTES 1000
#define TLS	  0x16 /* how a hello begins; here nobody speaks it */

static pid_t server;
static char root[64];

static void say(int fd, const char *head, const char *body)
{
	dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", head,
		strlen(body), body);
}

/* Retry-After as the path says, with _ for a space. */
static void say_later(int fd, char *text)
{
	CLEANUP_FREE char *head = NULL;

	text[strcspn(text, " ")] = '\0';
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '_' ? ' ' : *p;
	head = mem_printf("503 Busy\r\nRetry-After: %s", text);
	say(fd, head, "");
}

/* One request per connection; what it answers depends on the path. */
static void serve_one(int fd)
{
	char request[4096] = "", large[MAX_BYTES + 2];
	ssize_t n = 0;

	for (size_t len = 0; strstr(request, "end=1") == NULL && request[0] != TLS;
	     len += (size_t)n)
		if ((n = read(fd, request + len, sizeof(request) - 1 - len)) <= 0)
			return;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	if (strncmp(request, "POST /base/large ", 17) == 0)
		say(fd, "200 OK", large);
	else if (strncmp(request, "POST /base/away ", 16) == 0)
		say(fd, "302 Found\r\nLocation: http://127.0.0.1:1/", "");
	else if (strncmp(request, "POST /base/busy ", 16) == 0)
		say(fd, "503 Busy\r\nRetry-After: 7\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT", "");
	else if (strncmp(request, "POST /base/say/", 15) == 0)
		say_later(fd, request + 15);
	else if (strncmp(request, "POST /base/gone ", 16) == 0)
		return;
	else if (strncmp(request, "POST /base/silent ", 18) == 0)
		sleep(60);
	else
		say(fd, "200 OK", request[0] == TLS ? "" : strstr(request, "\r\n\r\n") + 4);
}

static void serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		serve_one(fd);
		close(fd);
	}
}

static int start_server(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	if (bind(listener, (struct sockaddr *)&a, len) < 0 || listen(listener, 8) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		return -1;
	snprintf(root, sizeof(root), "http://127.0.0.1:%d/base/", ntohs(a.sin_port));
	server = fork();
	if (server == 0)
		serve(listener);
	close(listener);
	/* nothing of it has a say */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

static int stop_now(void *arg)
{
	(void)arg;
	return 1;
}

static int ask(const char *path, http_tick_fn *tick, int64_t ms, struct http_answer *ret)
{
	struct http_options o = {
		.root = root, .user_agent = "Test", .max_bytes = MAX_BYTES, .tick = tick
	};
	CLEANUP(buf_done) struct buf form = BUF_INIT;
	struct http *h = NULL;
	int e;

	assert_int_equal(http_open(&o, &h, NULL), 0);
	http_form_add(&form, "a[0]", "\u00e9 &=+%/");
	http_form_add(&form, "end", "1");
	e = http_post(h, path, &form, deadline_in(ms), ret, NULL);
	http_close(h);
	return e;
}

static void a_form_arrives_as_it_was_meant_whatever_proxy_the_environment_names(void **state)
{
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;

	(void)state;
	assert_int_equal(ask("/form", NULL, 10000, &a), 0);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.data, "a[0]=%C3%A9%20%26%3D%2B%25%2F&end=1");
}

static void a_redirect_is_told_and_not_followed(void **state)
{
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;

	(void)state;
	assert_int_equal(ask("/away", NULL, 10000, &a), 0);
	assert_int_equal(a.status, 302);
}

static void what_a_busy_site_says_is_told(void **state)
{
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;

	(void)state;
	assert_int_equal(ask("/busy", NULL, 10000, &a), 0);
	assert_int_equal(a.status, 503);
	assert_int_equal(a.retry_after_s, 7);
	assert_int_equal(a.time, 784111777);
}

static void when_to_come_back_is_a_number_of_seconds_and_at_most_a_day(void **state)
{
	static const struct {
		const char *path;
		int64_t seconds;
	} said[] = {
		{ "/say/12", 12 },
		{ "/say/86401", HTTP_MAX_RETRY_AFTER_S },
		{ "/say/9223372036854775807", HTTP_MAX_RETRY_AFTER_S },
		{ "/say/Fri,_31_Dec_2100_23:59:59_GMT", HTTP_MAX_RETRY_AFTER_S },
		{ "/say/Sun,_06_Nov_1994_08:49:37_GMT", 0 },
		{ "/say/-5", 0 },
		{ "/say/0", 0 },
		{ "/say/soon", 0 },
	};
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		assert_int_equal(ask(said[i].path, NULL, 10000, &a), 0);
		assert_int_equal(a.retry_after_s, said[i].seconds);
	}
}

static void each_way_of_getting_no_answer_has_its_error(void **state)
{
	CLEANUP(http_answer_done) struct http_answer a = HTTP_ANSWER_INIT;
	char plain[sizeof(root)];

	(void)state;
	memcpy(plain, root, sizeof(plain));
	snprintf(root, sizeof(root), "https%s", strchr(plain, ':'));
	assert_int_equal(ask("/form", NULL, 10000, &a), -EPROTO);
	memcpy(root, plain, sizeof(plain));
	assert_int_equal(ask("/gone", NULL, 10000, &a), -EPROTO);
	assert_int_equal(ask("/large", NULL, 10000, &a), -EMSGSIZE);
	assert_int_equal(ask("/form", stop_now, 10000, &a), -ECANCELED);
	assert_int_equal(ask("/form", NULL, 0, &a), -ETIMEDOUT);
	assert_int_equal(ask("/silent", NULL, 300, &a), -ETIMEDOUT);
	snprintf(root, sizeof(root), "http://127.0.0.1:1");
	assert_int_equal(ask("/form", NULL, 10000, &a), -EHOSTUNREACH);
	snprintf(root, sizeof(root), "file:///etc");
	assert_int_equal(ask("/passwd", NULL, 10000, &a), -EPROTO);
	assert_int_equal(a.body.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_form_arrives_as_it_was_meant_whatever_proxy_the_environment_names),
		cmocka_unit_test(a_redirect_is_told_and_not_followed),
		cmocka_unit_test(what_a_busy_site_says_is_told),
		cmocka_unit_test(when_to_come_back_is_a_number_of_seconds_and_at_most_a_day),
		cmocka_unit_test(each_way_of_getting_no_answer_has_its_error),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
