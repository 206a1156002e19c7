#include "live_pace.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SEND_BUFFER	32768
#define USER_TIMEOUT_MS 20000

void live_pace_prepare(int fd)
{
	unsigned timeout = USER_TIMEOUT_MS;
	int size = SEND_BUFFER, on = 1;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

size_t live_pace_unconfirmed(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

bool live_pace_wrote(struct live_pace *p, size_t bytes, int64_t now_ms)
{
	p->written += (int64_t)bytes;
	if (p->watched)
		return false;
	p->watched = true;
	p->arrived = INT64_MIN;
	p->since_ms = now_ms;
	return true;
}

bool live_pace_has_stalled(struct live_pace *p, size_t unconfirmed, int64_t now_ms)
{
	int64_t arrived = p->written - (int64_t)unconfirmed;

	if (unconfirmed == 0) {
		p->watched = false;
	} else if (arrived > p->arrived) {
		p->arrived = arrived;
		p->since_ms = now_ms;
	}
	return p->watched && now_ms - p->since_ms >= LIVE_STALL_MS;
}
