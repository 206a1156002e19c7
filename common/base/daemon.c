#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3 /* SD_LISTEN_FDS_START */

static volatile sig_atomic_t stop_asked;

static void keep_std_descriptors_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static void forget_own_environment(void)
{
	extern char **environ;

	for (char **e = environ; *e != NULL;) {
		const char *equals = strchr(*e, '=');
		char name[128];

		if (strncmp(*e, "PENSUM_", 7) != 0 || equals == NULL ||
		    (size_t)(equals - *e) >= sizeof(name)) {
			e++;
			continue;
		}
		memcpy(name, *e, (size_t)(equals - *e));
		name[equals - *e] = '\0';
		unsetenv(name); /* moves the list up: look at the same place again */
	}
}

void daemon_prepare(void)
{
	struct rlimit none = { 0, 0 };

	keep_std_descriptors_open();
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &none);
	forget_own_environment();
}

int daemon_take_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	bool is_ours = pid != NULL && count != NULL && atoi(pid) == getpid() && atoi(count) >= 1;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!is_ours || fcntl(FIRST_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return FIRST_SOCKET;
}

void daemon_notify(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[512];
	va_list ap;
	int fd, len;

	if (path == NULL || strlen(path) >= sizeof(addr.sun_path))
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text))
		return;
	memcpy(addr.sun_path, path, strlen(path));
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nothing to do about a manager that does not listen. */
	(void)!sendto(fd, text, (size_t)len, MSG_NOSIGNAL, (struct sockaddr *)&addr,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

static void on_stop(int sig)
{
	(void)sig;
	stop_asked = 1;
}

void daemon_catch_stop(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

bool daemon_stop_asked(void)
{
	return stop_asked != 0;
}

void daemon_die_with_parent(int sig, int parent)
{
	prctl(PR_SET_PDEATHSIG, sig);
	if (getppid() != parent)
		_exit(1);
}
