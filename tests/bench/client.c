/*
 * client.c - the bench's hand in C: a worker that asks the pool for pages, and a clock for calls.
 *
 *	client jobs SOCKET URL SIGN_IN FETCH EXPECTED	commands by line on standard input:
 *		run MS SIGN_IN KEY   jobs one after the other until MS are over
 *			-> done BUSY_MS SIGN_INS LATENCY_MS…
 *		hold SIGN_IN KEY     a job that stops before its end, -> held; go, -> done
 *		lease                -> leased MS, from before connect() to the word
 *	client calls SOCKET ARGV…	a trivial call through the pool, and on a pipe to a browser
 *		of its own, which ARGV starts, in turn:
 *			-> sequential DIRECT_US POOL_US		medians of one round
 *			-> pipelined DIRECT_US POOL_US		per call, 64 on their way
 *	client within ARGV…		runs it and adopts its orphans, so that no process and
 *		no CPU time leaves the tree; ends as it does
 *
 * SIGN_IN (in the commands 0 or 1) and FETCH are parameters of Runtime.evaluate, in JSON. KEY is
 * "-" for a fresh page, or the request member "key": then the job goes on from where the page is.
 * What goes wrong is said as "error …" on both outputs, and ends the program.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bench.h"

#define PATIENCE_MS	  30000
#define SEQUENTIAL_ROUNDS 16
#define SEQUENTIAL_CALLS  150
#define PIPELINED_ROUNDS  64
#define PIPELINED_CALLS	  512
#define PIPELINED_DEPTH	  64
#define MAX_LATENCIES	  65536

#define TRIVIAL "{\"expression\":\"1\",\"returnByValue\":true}"
#define WHERE	"{\"expression\":\"location.pathname\",\"returnByValue\":true}"

/* One connection that speaks CDP in NUL-ended messages: to the pool, or to a browser. */

struct peer {
	int fd;
	long last_id;
	char session[80]; /* "" to the pool, which knows the page */
	unsigned loads;	  /* Page.loadEventFired so far */
	char *buf;
	size_t start, used, size;
};

static void peer_init(struct peer *p, int fd)
{
	*p = (struct peer){ .fd = fd, .size = 65536 };
	p->buf = malloc(p->size);
	if (p->buf == NULL)
		die("no memory");
}

static void peer_done(struct peer *p)
{
	close(p->fd);
	free(p->buf);
}

static void peer_write(struct peer *p, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(p->fd, text, len);

		if (n < 0 && errno != EINTR)
			die("write: %s", strerror(errno));
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void fill(struct peer *p)
{
	struct pollfd readable = { .fd = p->fd, .events = POLLIN };
	ssize_t n;

	if (p->start > 0) {
		memmove(p->buf, p->buf + p->start, p->used - p->start);
		p->used -= p->start;
		p->start = 0;
	}
	if (p->used == p->size) {
		p->size *= 2;
		p->buf = realloc(p->buf, p->size);
		if (p->buf == NULL)
			die("no memory");
	}
	if (poll(&readable, 1, PATIENCE_MS) == 0)
		die("no answer in %d ms", PATIENCE_MS);
	n = read(p->fd, p->buf + p->used, p->size - p->used);
	if (n == 0)
		die("the peer closed");
	if (n < 0 && errno != EINTR)
		die("read: %s", strerror(errno));
	p->used += n > 0 ? (size_t)n : 0;
}

/* The next message, a new reference. */
static json_t *peer_read(struct peer *p)
{
	const char *text, *end;
	json_t *message;

	while ((end = memchr(p->buf + p->start, '\0', p->used - p->start)) == NULL)
		fill(p);
	text = p->buf + p->start;
	message = json_loadb(text, (size_t)(end - text), 0, NULL);
	if (message == NULL)
		die("not JSON: %.100s", text);
	p->start = (size_t)(end - p->buf) + 1;
	return message;
}

static const char *word(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static long peer_send(struct peer *p, const char *method, const char *params)
{
	char text[8192];
	int len = snprintf(text, sizeof(text), "{\"id\":%ld,\"method\":\"%s\",\"params\":%s%s%s%s}",
			   ++p->last_id, method, params, p->session[0] ? ",\"sessionId\":\"" : "",
			   p->session, p->session[0] ? "\"" : "");

	if (len < 0 || (size_t)len >= sizeof(text))
		die("a message is too long");
	peer_write(p, text, (size_t)len + 1);
	return p->last_id;
}

static void note_event(struct peer *p, const json_t *message)
{
	const char *method = word(message, "method");

	if (strcmp(method, "Page.loadEventFired") == 0)
		p->loads++;
	if (strcmp(method, "Pool.ended") == 0)
		die("the lease ended: %s", word(json_object_get(message, "params"), "reason"));
}

/* The result, a new reference. */
static json_t *peer_call(struct peer *p, const char *method, const char *params)
{
	json_int_t id = peer_send(p, method, params);

	for (;;) {
		json_t *message = peer_read(p);
		json_t *result = json_object_get(message, "result");

		if (json_integer_value(json_object_get(message, "id")) != id) {
			note_event(p, message);
			json_decref(message);
			continue;
		}
		if (result == NULL)
			die("%s: %s", method, word(json_object_get(message, "error"), "message"));
		json_incref(result);
		json_decref(message);
		return result;
	}
}

static void peer_do(struct peer *p, const char *method, const char *params)
{
	json_decref(peer_call(p, method, params));
}

static void wait_load(struct peer *p, unsigned before)
{
	while (p->loads == before) {
		json_t *message = peer_read(p);

		note_event(p, message);
		json_decref(message);
	}
}

static json_t *evaluate(struct peer *p, const char *params)
{
	json_t *answer = peer_call(p, "Runtime.evaluate", params);
	json_t *value = json_incref(json_object_get(json_object_get(answer, "result"), "value"));

	if (json_object_get(answer, "exceptionDetails") != NULL)
		die("a script failed: %s", word(json_object_get(answer, "result"), "description"));
	json_decref(answer);
	return value;
}

/* The pool's side */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void peer_lease(struct peer *p, const char *path, const char *key)
{
	char text[256];
	json_t *message;
	int len = snprintf(text, sizeof(text),
			   "{\"op\":\"lease\",\"class\":\"check\",\"hidden\":true%s%s%s}",
			   key ? ",\"key\":\"" : "", key ? key : "", key ? "\"" : "");

	peer_init(p, connect_to(path));
	peer_write(p, text, (size_t)len + 1);
	while ((message = peer_read(p)) != NULL) {
		const char *type = word(message, "type");

		if (strcmp(type, "refused") == 0)
			die("refused: %s", word(message, "message"));
		if (strcmp(type, "leased") == 0)
			break;
		json_decref(message);
	}
	json_decref(message);
}

/* Jobs */

struct plan {
	const char *socket, *url, *sign_in, *fetch;
	long expected;
};

static unsigned sign_ins; /* of this run */

static void open_path(struct peer *p, const struct plan *plan, const char *path)
{
	unsigned before = p->loads;
	char params[256];

	snprintf(params, sizeof(params), "{\"url\":\"%s%s\"}", plan->url, path);
	peer_do(p, "Page.navigate", params);
	wait_load(p, before);
}

static void sign_in(struct peer *p, const struct plan *plan)
{
	unsigned before = p->loads;

	json_decref(evaluate(p, plan->sign_in));
	wait_load(p, before);
	sign_ins++;
}

static bool is_at(struct peer *p, const char *path)
{
	json_t *value = evaluate(p, WHERE);
	const char *text = json_string_value(value);
	bool is = text != NULL && strcmp(text, path) == 0;

	json_decref(value);
	return is;
}

/* Not where a fresh page is: whatever of the way is left is gone. */
static void go_on_to_home(struct peer *p, const struct plan *plan)
{
	if (is_at(p, "/home"))
		return;
	peer_do(p, "Page.enable", "{}");
	open_path(p, plan, "/home");
	if (is_at(p, "/login"))
		sign_in(p, plan);
}

static void fetch_all(struct peer *p, const struct plan *plan)
{
	json_t *sum = evaluate(p, plan->fetch);

	if (json_integer_value(sum) != plan->expected)
		die("the fetches gave %lld", (long long)json_integer_value(sum));
	json_decref(sum);
}

static void do_steps(struct peer *p, const struct plan *plan, bool with_sign_in, const char *key)
{
	peer_lease(p, plan->socket, key);
	if (key != NULL) {
		go_on_to_home(p, plan);
	} else {
		peer_do(p, "Page.enable", "{}");
		open_path(p, plan, with_sign_in ? "/login" : "/home?open");
		if (with_sign_in)
			sign_in(p, plan);
	}
	fetch_all(p, plan);
}

static void run(const struct plan *plan, double ms, bool with_sign_in, const char *key)
{
	static double latencies[MAX_LATENCIES];
	double begun = now_us(), end = begun;
	size_t count = 0;

	sign_ins = 0;
	while (end - begun < ms * 1000 && count < MAX_LATENCIES) {
		double asked = end;
		struct peer p;

		do_steps(&p, plan, with_sign_in, key);
		peer_done(&p);
		end = now_us();
		latencies[count++] = (end - asked) / 1000;
	}
	printf("done %.3f %u", (end - begun) / 1000, sign_ins);
	for (size_t i = 0; i < count; i++)
		printf(" %.3f", latencies[i]);
	putchar('\n');
}

static void hold(const struct plan *plan, bool with_sign_in, const char *key)
{
	struct peer p;
	char line[16];

	do_steps(&p, plan, with_sign_in, key);
	puts("held");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(0);
	peer_done(&p);
	puts("done");
}

static void time_lease(const struct plan *plan)
{
	double asked = now_us();
	struct peer p;

	peer_lease(&p, plan->socket, NULL);
	printf("leased %.4f\n", (now_us() - asked) / 1000);
	peer_done(&p);
}

static const char *key_of(const char *text)
{
	return strcmp(text, "-") == 0 ? NULL : text;
}

static void do_jobs(const struct plan *plan)
{
	char line[256], key[128];
	int with_sign_in;
	double ms;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "run %lf %d %127s", &ms, &with_sign_in, key) == 3)
			run(plan, ms, with_sign_in, key_of(key));
		else if (sscanf(line, "hold %d %127s", &with_sign_in, key) == 2)
			hold(plan, with_sign_in, key_of(key));
		else if (strcmp(line, "lease\n") == 0)
			time_lease(plan);
		else
			die("not understood: %s", line);
		fflush(stdout);
	}
}

/* Calls, through the pool and directly */

static pid_t start_browser(char **argv, int *fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		setsid();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* By way of 20: dup2() of 3 or 4 onto itself would leave close-on-exec. */
		if (dup2(pair[1], 20) < 0 || dup2(20, 3) < 0 || dup2(20, 4) < 0 || close(20) < 0)
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	close(pair[1]);
	*fd = pair[0];
	return pid;
}

static void stop_browser(pid_t pid)
{
	kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
		;
}

/* The steps with which the pool makes a page, too. */
static void peer_attach(struct peer *p, int fd)
{
	char params[256];
	json_t *context, *target, *session;

	peer_init(p, fd);
	context = peer_call(p, "Target.createBrowserContext", "{}");
	snprintf(params, sizeof(params), "{\"url\":\"about:blank\",\"browserContextId\":\"%s\"}",
		 word(context, "browserContextId"));
	target = peer_call(p, "Target.createTarget", params);
	snprintf(params, sizeof(params), "{\"targetId\":\"%s\",\"flatten\":true}",
		 word(target, "targetId"));
	session = peer_call(p, "Target.attachToTarget", params);
	snprintf(p->session, sizeof(p->session), "%s", word(session, "sessionId"));
	json_decref(context);
	json_decref(target);
	json_decref(session);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double time_call(struct peer *p)
{
	double begun = now_us();

	peer_do(p, "Runtime.evaluate", TRIVIAL);
	return now_us() - begun;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return values[count / 2];
}

/* Call by call in turn, so that whatever else runs on the machine strikes both. */
static void compare_sequential(struct peer *direct, struct peer *pooled)
{
	double directly[SEQUENTIAL_CALLS], through[SEQUENTIAL_CALLS];

	for (int round = 0; round < SEQUENTIAL_ROUNDS; round++) {
		for (int i = 0; i < SEQUENTIAL_CALLS; i++) {
			directly[i] = time_call(direct);
			through[i] = time_call(pooled);
		}
		printf("sequential %.3f %.3f\n", median(directly, SEQUENTIAL_CALLS),
		       median(through, SEQUENTIAL_CALLS));
	}
}

static double time_pipelined(struct peer *p)
{
	double begun = now_us();
	int sent = 0, answered = 0;

	while (answered < PIPELINED_CALLS) {
		json_t *message;

		for (; sent < PIPELINED_CALLS && sent - answered < PIPELINED_DEPTH; sent++)
			peer_send(p, "Runtime.evaluate", TRIVIAL);
		message = peer_read(p);
		if (json_object_get(message, "result") != NULL)
			answered++;
		else if (json_object_get(message, "id") != NULL)
			die("a call failed");
		json_decref(message);
	}
	return (now_us() - begun) / PIPELINED_CALLS;
}

/* Who is first changes with every round. */
static void compare_pipelined(struct peer *direct, struct peer *pooled)
{
	for (int i = 0; i < PIPELINED_ROUNDS; i++) {
		double first = time_pipelined(i % 2 ? pooled : direct);
		double second = time_pipelined(i % 2 ? direct : pooled);

		printf("pipelined %.3f %.3f\n", i % 2 ? second : first, i % 2 ? first : second);
	}
}

static void do_calls(const char *socket, char **argv)
{
	struct peer direct, pooled;
	int fd;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = start_browser(argv, &fd);
	peer_attach(&direct, fd);
	peer_lease(&pooled, socket, NULL);
	time_pipelined(&direct); /* not counted: code and caches get warm */
	time_pipelined(&pooled);
	compare_sequential(&direct, &pooled);
	compare_pipelined(&direct, &pooled);
	peer_done(&pooled);
	peer_done(&direct);
	stop_browser(pid);
}

/* A tree that nothing leaves */

static int run_within(char **argv)
{
	int status, end = 1;
	pid_t pid, dead;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execvp(argv[0], argv);
		_exit(127);
	}
	while ((dead = wait(&status)) > 0 || errno == EINTR)
		if (dead == pid)
			end = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	return end;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 7 && strcmp(argv[1], "jobs") == 0)
		do_jobs(&(struct plan){ argv[2], argv[3], argv[4], argv[5], atol(argv[6]) });
	else if (argc >= 4 && strcmp(argv[1], "calls") == 0)
		do_calls(argv[2], argv + 3);
	else if (argc >= 3 && strcmp(argv[1], "within") == 0)
		return run_within(argv + 2);
	else
		die("see the comment at the top of client.c");
	return 0;
}
