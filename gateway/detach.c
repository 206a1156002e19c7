#include "detach.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "mem.h"

int detach_socket(struct evhttp_request *ev, struct buf *input, struct error *err)
{
	struct evhttp_connection *con = evhttp_request_get_connection(ev);
	struct bufferevent *bev = evhttp_connection_get_bufferevent(con);
	struct evbuffer *left = bufferevent_get_input(bev);
	int old = (int)bufferevent_getfd(bev);
	CLEANUP(fd_close) int dummy = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = dummy < 0 ? -1 : fcntl(old, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return error_set(err, -errno, "detach: %s", strerror(errno));
	assert((bufferevent_get_enabled(bev) & EV_READ) == 0 &&
	       evbuffer_get_length(bufferevent_get_output(bev)) == 0);
	if (dup3(dummy, old, O_CLOEXEC) < 0) {
		int e = errno;

		close(fd);
		return error_set(err, -e, "detach: %s", strerror(e));
	}
	buf_add(input, evbuffer_pullup(left, -1), evbuffer_get_length(left));
	evhttp_connection_free(con); /* frees ev too */
	return fd;
}
