/*
 * channels.c - the bench's many WebSockets, and a clock for fan-out.
 *
 *	channels COOKIES REDIS_SOCKET	commands by line on standard input:
 *		open PORT COUNT		opens COUNT live channels, the cookies of the file COOKIES (one a
 *					line) in turn, and waits for the first message of each
 *			-> opened COUNT
 *		fanout JOB ROUNDS	ROUNDS events of JOB, each XADDed to pensum:events when all open
 *					channels have had the one before
 *			-> fanout LATENCY_US…	one a channel and round
 *		close			-> closed
 *
 * Event n of a job is known by its text "version":[1,n], from whichever server it comes. Pings are
 * answered. What goes wrong is said as "error …" on both outputs, and ends the program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/bench.h"

#define PATIENCE_S   30
#define MAX_CHANNELS 20000
#define OPENING_MAX  64 /* handshakes at one time */
#define INPUT_SIZE   4096
#define WANTED_SIZE  48

struct channel {
	int fd;
	bool upgraded, greeted;
	unsigned seen_round;
	size_t len;
	unsigned char input[INPUT_SIZE];
};

static struct channel *channels[MAX_CHANNELS];
static size_t channel_count;
static char *cookies[MAX_COOKIES];
static size_t cookie_count;
static int epoll_fd;
static size_t greeted_count;

/* The round that runs. */
static unsigned round_n;
static char wanted[WANTED_SIZE];
static size_t arrived;
static double sent_us;

/* ---- one channel ---- */

static void send_all(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("send: %s", strerror(errno));
}

static void answer_ping(struct channel *c, const unsigned char *payload, size_t len)
{
	unsigned char frame[6 + 125] = { 0x8a, (unsigned char)(0x80 | len) };

	memcpy(frame + 6, payload, len); /* masked with zeros */
	send_all(c->fd, frame, 6 + len);
}

static void take_text(struct channel *c, const unsigned char *payload, size_t len)
{
	if (!c->greeted) {
		c->greeted = true;
		greeted_count++;
	}
	if (wanted[0] == '\0' || c->seen_round == round_n ||
	    memmem(payload, len, wanted, strlen(wanted)) == NULL)
		return;
	c->seen_round = round_n;
	arrived++;
	printf(" %.0f", now_us() - sent_us);
}

/* Bytes of one frame taken, 0 when it is not whole. */
static size_t take_frame(struct channel *c, const unsigned char *data, size_t len)
{
	size_t head = 2, size;

	if (len < 2)
		return 0;
	size = data[1] & 127;
	if (size == 126) {
		if (len < 4)
			return 0;
		size = (size_t)data[2] << 8 | data[3];
		head = 4;
	}
	if (size == 127 || head + size > INPUT_SIZE)
		die("a frame of a size that no server of ours sends");
	if (len < head + size)
		return 0;
	if ((data[0] & 15) == 1)
		take_text(c, data + head, size);
	else if ((data[0] & 15) == 9)
		answer_ping(c, data + head, size);
	else if ((data[0] & 15) == 8)
		die("the server closed a channel: %.*s", (int)(size > 2 ? size - 2 : 0),
		    data + head + 2);
	return head + size;
}

static size_t take_answer(struct channel *c)
{
	char *end = memmem(c->input, c->len, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (memcmp(c->input, "HTTP/1.1 101", 12) != 0)
		die("handshake refused: %.*s", (int)c->len, (char *)c->input);
	c->upgraded = true;
	return (size_t)(end + 4 - (char *)c->input);
}

static void take_input(struct channel *c)
{
	size_t at = 0, used;

	for (;;) {
		if (!c->upgraded)
			used = at == 0 ? take_answer(c) : 0;
		else
			used = take_frame(c, c->input + at, c->len - at);
		if (used == 0)
			break;
		at += used;
	}
	memmove(c->input, c->input + at, c->len - at);
	c->len -= at;
}

static void read_channel(struct channel *c)
{
	ssize_t n = recv(c->fd, c->input + c->len, INPUT_SIZE - c->len, MSG_DONTWAIT);

	if (n == 0)
		die("a channel was closed without a word");
	if (n < 0 && errno != EAGAIN)
		die("recv: %s", strerror(errno));
	if (n < 0)
		return;
	c->len += (size_t)n;
	take_input(c);
}

static void turn(double until_us, const char *what)
{
	struct epoll_event events[256];
	int n;

	if (now_us() > until_us)
		die("not in time: %s", what);
	n = epoll_wait(epoll_fd, events, 256, 100);
	for (int i = 0; i < n; i++)
		read_channel(events[i].data.ptr);
}

/* ---- commands ---- */

static void open_one(int port, const char *cookie)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct channel *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	char request[512];
	int on = 1, len;

	if (c == NULL)
		die("no memory");
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	len = snprintf(request, sizeof(request),
		       "GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
		       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: %s\r\n\r\n",
		       port, cookie);
	send_all(c->fd, request, (size_t)len);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	channels[channel_count++] = c;
}

static void do_open(int port, size_t count)
{
	double until = now_us() + PATIENCE_S * 2e6;
	size_t all = channel_count + count;

	if (all > MAX_CHANNELS || cookie_count == 0)
		die("too many channels, or no cookie");
	while (greeted_count < all) {
		while (channel_count < all && channel_count - greeted_count < OPENING_MAX)
			open_one(port, cookies[channel_count % cookie_count]);
		turn(until, "channels opened");
	}
	printf("opened %zu\n", channel_count);
}

static void send_event(int redis, const char *job, unsigned n)
{
	char command[512], number[16], answer[128];
	int digits, len;

	digits = snprintf(number, sizeof(number), "%u", n);
	len = snprintf(
		command, sizeof(command),
		"*22\r\n$4\r\nXADD\r\n$13\r\npensum:events\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n"
		"$5\r\n20000\r\n$1\r\n*\r\n$1\r\nj\r\n$%zu\r\n%s\r\n$1\r\ns\r\n$7\r\nrunning\r\n"
		"$1\r\nk\r\n$1\r\n1\r\n$1\r\nn\r\n$%d\r\n%s\r\n$1\r\np\r\n$7\r\nreading\r\n"
		"$1\r\nd\r\n$1\r\n0\r\n$1\r\nt\r\n$1\r\n0\r\n$1\r\nm\r\n$0\r\n\r\n",
		strlen(job), job, digits, number);
	send_all(redis, command, (size_t)len);
	if (recv(redis, answer, sizeof(answer), 0) <= 0 || answer[0] != '$')
		die("XADD was refused");
}

static int connect_redis(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect to Redis: %s", strerror(errno));
	return fd;
}

static void do_fanout(const char *redis_path, const char *job, unsigned rounds)
{
	int redis = connect_redis(redis_path);
	static unsigned n; /* versions only grow, over all calls */

	printf("fanout");
	for (unsigned i = 0; i < rounds; i++) {
		double until = now_us() + PATIENCE_S * 1e6;

		round_n++;
		arrived = 0;
		snprintf(wanted, sizeof(wanted), "\"version\":[1,%u]", ++n);
		sent_us = now_us();
		send_event(redis, job, n);
		while (arrived < channel_count)
			turn(until, "an event at every channel");
	}
	wanted[0] = '\0';
	printf("\n");
	close(redis);
}

static void do_close(void)
{
	struct linger at_once = { 1, 0 };

	for (size_t i = 0; i < channel_count; i++) {
		setsockopt(channels[i]->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(channels[i]->fd);
		free(channels[i]);
	}
	channel_count = greeted_count = 0;
	printf("closed\n");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	char line[256], job[64];
	size_t count;
	unsigned rounds;
	int port;

	if (argc != 3)
		die("usage: channels COOKIES REDIS_SOCKET");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	cookie_count = read_cookies(argv[1], cookies);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "open %d %zu", &port, &count) == 2)
			do_open(port, count);
		else if (sscanf(line, "fanout %63s %u", job, &rounds) == 2)
			do_fanout(argv[2], job, rounds);
		else if (strcmp(line, "close\n") == 0)
			do_close();
		else
			die("not a command: %s", line);
		fflush(stdout);
	}
	return 0;
}
