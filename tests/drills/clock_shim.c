/*
 * clock_shim.c - for tests: preloaded into a program, puts its wall clock on or back.
 *
 * $DRILL_CLOCK names a file of eight bytes, the seconds to add (int64, this machine's order). It is
 * mapped, so whoever writes to it steps the clock of a running program. Only the wall clock: no
 * deadline of the kernel and no monotonic clock knows of it, just as when a real clock is set.
 * System calls are made without libc's own functions, which would be these.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_s;

__attribute__((constructor)) static void map_offset(void)
{
	const char *file = getenv("DRILL_CLOCK");
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*offset_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		offset_s = map;
}

static time_t offset(void)
{
	return offset_s ? (time_t)*offset_s : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int e = (int)syscall(SYS_clock_gettime, clock, ts);

	if (e == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += offset();
	return e;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int e = (int)syscall(SYS_gettimeofday, tv, zone);

	if (e == 0)
		tv->tv_sec += offset();
	return e;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret != NULL)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
