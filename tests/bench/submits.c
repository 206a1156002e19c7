/*
 * submits.c - the bench's students: checks asked for over HTTP, each request on a connection that
 * stays open, the next one on it when the one before has been answered.
 *
 *	submits PORT COOKIES		commands by line on standard input:
 *		submit COUNT CONNECTIONS COURSE	asks COUNT times, so many at one time
 *			-> submit FIRST_NS LAST_NS JOB…	CLOCK_MONOTONIC before the first request and
 *					after the last answer; the job only when COUNT is 1
 *
 * The students are the lines of the file COOKIES, each for RUN requests in a row and then the next,
 * and each has an address of his own by X-Forwarded-For. Every request has another Idempotency-Key.
 * Any answer but 202 is said as "error …" on both outputs, and ends the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bench.h"

#define RUN	    4
#define PATIENCE_MS 30000
#define MAX_OPEN    256
#define INPUT_SIZE  16384
#define ID_LEN	    24

struct connection {
	int fd;
	size_t len, student;
	unsigned run_left;
	char input[INPUT_SIZE];
};

static int port, epoll_fd;
static char *cookies[MAX_COOKIES];
static size_t cookie_count, next_student;
static struct connection open_ones[MAX_OPEN];
static unsigned long long key_n;
static char last_job[ID_LEN + 1];

static void connect_one(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = c };
	int yes = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &wanted);
}

static void send_one(struct connection *c, const char *target, const char *body)
{
	char text[1024];
	int len;

	if (c->run_left == 0) {
		c->student = next_student++ % cookie_count;
		c->run_left = RUN;
	}
	c->run_left--;
	len = snprintf(text, sizeof(text),
		       "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: %s\r\n"
		       "X-Forwarded-For: 10.%zu.%zu.%zu\r\nIdempotency-Key: bench-%d-%llu\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		       target, port, cookies[c->student], c->student >> 16, c->student >> 8 & 255,
		       c->student & 255, (int)getpid(), key_n++, strlen(body), body);
	c->len = 0;
	if (write(c->fd, text, (size_t)len) != len)
		die("write: %s", strerror(errno));
}

/* True: a whole answer is there. */
static bool is_whole(const struct connection *c)
{
	const char *end = strstr(c->input, "\r\n\r\n");
	const char *length = strcasestr(c->input, "\r\ncontent-length:");

	if (end == NULL)
		return false;
	if (length == NULL || length > end)
		die("an answer without a length: %s", c->input);
	return c->len >= (size_t)(end + 4 - c->input) + strtoul(length + 17, NULL, 10);
}

static bool read_answer(struct connection *c)
{
	ssize_t n = read(c->fd, c->input + c->len, INPUT_SIZE - 1 - c->len);
	const char *id;

	if (n <= 0)
		die("connection lost: %s", n < 0 ? strerror(errno) : "closed");
	c->len += (size_t)n;
	c->input[c->len] = '\0';
	if (!is_whole(c))
		return false;
	if (strncmp(c->input, "HTTP/1.1 202 ", 13) != 0)
		die("not accepted: %s", c->input);
	id = strstr(c->input, "\"id\":\"");
	if (id == NULL)
		die("no job: %s", c->input);
	snprintf(last_job, sizeof(last_job), "%s", id + 6);
	return true;
}

/* The server closes what has been idle for some time: nothing is open that is not about to be used.
 */
static void close_idle(void)
{
	char byte;

	for (size_t i = 0; i < MAX_OPEN; i++) {
		struct connection *c = &open_ones[i];

		if (c->fd == 0 || (i == 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0))
			continue;
		close(c->fd);
		c->fd = 0;
	}
}

static void submit(unsigned long count, unsigned long connections, const char *target,
		   const char *body)
{
	struct epoll_event events[MAX_OPEN];
	unsigned long sent = 0, answered = 0;
	long long first;

	if (connections > MAX_OPEN)
		die("at most %d connections", MAX_OPEN);
	close_idle();
	for (unsigned long i = 0; i < connections; i++)
		if (open_ones[i].fd == 0)
			connect_one(&open_ones[i]);
	first = now_ns();
	for (unsigned long i = 0; i < connections && sent < count; i++, sent++)
		send_one(&open_ones[i], target, body);
	while (answered < count) {
		int n = epoll_wait(epoll_fd, events, MAX_OPEN, PATIENCE_MS);

		if (n == 0)
			die("no answer in time");
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (!read_answer(c))
				continue;
			answered++;
			if (sent < count) {
				send_one(c, target, body);
				sent++;
			}
		}
	}
	printf("submit %lld %lld %s\n", first, now_ns(), count == 1 ? last_job : "");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[512], target[64], body[256];
	unsigned long count, connections;

	if (argc != 3)
		die("usage: submits PORT COOKIES");
	port = atoi(argv[1]);
	cookie_count = read_cookies(argv[2], cookies);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "submit %lu %lu %63s %255s", &count, &connections, target, body) !=
		    4)
			die("unknown command: %s", line);
		submit(count, connections, target, body);
	}
	return 0;
}
