/*
 * main.c - the bench's hand in C: a worker that asks the pool for pages, and a clock for calls.
 *
 *	client jobs SOCKET URL SIGN_IN FETCH EXPECTED	commands by line on standard input:
 *		run MS SIGN_IN KEY   jobs one after the other until MS are over
 *			-> done BUSY_MS SIGN_INS LATENCY_MS…
 *		hold SIGN_IN KEY     a job that stops before its end, -> held; go, -> done
 *		lease                -> leased MS, from before connect() to the word
 *	client calls SOCKET ARGV…	a trivial call through the pool, and on a pipe to a browser
 *		of its own, which ARGV starts, in turn:
 *			-> sequential DIRECT_US POOL_US		medians of one round
 *			-> pipelined DIRECT_US POOL_US		per call, 64 on their way: lower
 *								quartiles of one round
 *	client within ARGV…		runs it and adopts its orphans, so that no process and
 *		no CPU time leaves the tree; ends as it does
 *
 * SIGN_IN (in the commands 0 or 1) and FETCH are parameters of Runtime.evaluate, in JSON. KEY is
 * "-" for a fresh page, or the request member "key": then the job goes on from where the page is.
 * What goes wrong is said as "error …" on both outputs, and ends the program.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "calls.h"
#include "jobs.h"
#include "lib/bench.h"

/* A tree that nothing leaves. */
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
		jobs_run(&(struct plan){ argv[2], argv[3], argv[4], argv[5], atol(argv[6]) });
	else if (argc >= 4 && strcmp(argv[1], "calls") == 0)
		calls_compare(argv[2], argv + 3);
	else if (argc >= 3 && strcmp(argv[1], "within") == 0)
		return run_within(argv + 2);
	else
		die("see the comment at the top of client/main.c");
	return 0;
}
