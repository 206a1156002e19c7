#include "calls.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/bench.h"
#include "peer.h"

#define SEQUENTIAL_ROUNDS 16
#define SEQUENTIAL_CALLS  150
#define PIPELINED_ROUNDS  12
#define PIPELINED_TURNS	  32 /* of each side in a round */
#define PIPELINED_CALLS	  256
#define PIPELINED_DEPTH	  64

#define TRIVIAL "{\"expression\":\"1\",\"returnByValue\":true}"

/* *in: what it writes; *out: what it reads. */
static pid_t start_browser(char **argv, int *in, int *out)
{
	int from[2], to[2];
	pid_t pid;

	if (pipe2(from, O_CLOEXEC) < 0 || pipe2(to, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		setsid();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* By way of 20 and 21: dup2() of 3 or 4 onto itself would leave close-on-exec. */
		if (dup2(to[0], 20) < 0 || dup2(from[1], 21) < 0 || dup2(20, 3) < 0 ||
		    dup2(21, 4) < 0 || close(20) < 0 || close(21) < 0)
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	*in = from[0];
	*out = to[1];
	return pid;
}

static void stop_browser(pid_t pid)
{
	kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
		;
}

/* The steps with which the pool makes a page, too. */
static void peer_attach(struct peer *p, int in, int out)
{
	char params[256];
	json_t *context, *target, *session;

	peer_init(p, in, out);
	context = peer_call(p, "Target.createBrowserContext", "{}");
	snprintf(params, sizeof(params), "{\"url\":\"about:blank\",\"browserContextId\":\"%s\"}",
		 peer_word(context, "browserContextId"));
	target = peer_call(p, "Target.createTarget", params);
	snprintf(params, sizeof(params), "{\"targetId\":\"%s\",\"flatten\":true}",
		 peer_word(target, "targetId"));
	session = peer_call(p, "Target.attachToTarget", params);
	snprintf(p->session, sizeof(p->session), "%s", peer_word(session, "sessionId"));
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

static double lower_quartile(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return values[count / 4];
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

/* A turn is short, but long enough for the scheduler to give others a piece of it: of a round's
 * turns that one counts which a quarter of them was faster than. Who is first changes. */
static void compare_pipelined(struct peer *direct, struct peer *pooled)
{
	double directly[PIPELINED_TURNS], through[PIPELINED_TURNS];

	for (int round = 0; round < PIPELINED_ROUNDS; round++) {
		for (int i = 0; i < PIPELINED_TURNS; i++) {
			if (i % 2 == 0)
				directly[i] = time_pipelined(direct);
			through[i] = time_pipelined(pooled);
			if (i % 2 == 1)
				directly[i] = time_pipelined(direct);
		}
		printf("pipelined %.3f %.3f\n", lower_quartile(directly, PIPELINED_TURNS),
		       lower_quartile(through, PIPELINED_TURNS));
	}
}

void calls_compare(const char *socket, char **argv)
{
	struct peer direct, pooled;
	int in, out;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = start_browser(argv, &in, &out);
	peer_attach(&direct, in, out);
	peer_lease(&pooled, socket, NULL);
	time_pipelined(&direct); /* not counted: code and caches get warm */
	time_pipelined(&pooled);
	compare_sequential(&direct, &pooled);
	compare_pipelined(&direct, &pooled);
	peer_done(&pooled);
	peer_done(&direct);
	stop_browser(pid);
}
