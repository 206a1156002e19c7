#include "listener.h"

#include <event2/listener.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "daemon.h"
#include "fd.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

#define BACKLOG	      1024 /* connections that the kernel keeps until we look */
#define SPARE_CLIENTS 64   /* beside those that hold a page or wait for one */
#define MAX_GROUPS    64

struct seat {
	TAILQ_ENTRY(seat) link;
	struct listener *listener;
	struct client *client;
};

struct listener {
	struct pool *pool;
	char *path;
	struct evconnlistener *socket;
	bool stopping;
	bool handed; /* systemd's: it goes on listening without us */
	TAILQ_HEAD(, seat) seats;
	unsigned count;
};

static bool is_in_our_group(int fd, const struct ucred *peer)
{
	gid_t groups[MAX_GROUPS], ours = getegid();
	socklen_t len = sizeof(groups);

	if (peer->gid == ours)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == ours)
			return true;
	return false;
}

static bool may_connect(int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) < 0)
		return false;
	if (peer->uid == 0 || peer->uid == geteuid() || is_in_our_group(fd, peer))
		return true;
	log_warning("connection refused", "uid=%u gid=%u pid=%d", (unsigned)peer->uid,
		    (unsigned)peer->gid, (int)peer->pid);
	return false;
}

/* Accepts while there is room; on its last way only when nobody else will. */
static void review_room(struct listener *l)
{
	const struct settings *s = l->pool->settings;

	if (l->stopping && l->handed)
		evconnlistener_disable(l->socket);
	else if (l->count < l->pool->caps.pages + s->pool_max_waiting + SPARE_CLIENTS)
		evconnlistener_enable(l->socket);
	else
		evconnlistener_disable(l->socket);
}

void listener_note_limits(struct listener *l)
{
	review_room(l);
}

static void remove_seat(struct seat *seat)
{
	struct listener *l = seat->listener;

	TAILQ_REMOVE(&l->seats, seat, link);
	free(seat);
	l->count--;
	review_room(l);
}

static void on_gone(void *arg)
{
	remove_seat(arg);
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *addr,
		      int addr_len, void *arg)
{
	struct listener *l = arg;
	struct ucred peer;
	struct seat *seat;

	(void)socket;
	(void)addr;
	(void)addr_len;
	if (!may_connect(fd, &peer)) {
		close(fd);
		return;
	}
	seat = mem_zalloc(sizeof(*seat));
	seat->listener = l;
	seat->client = client_new(l->pool, fd, &peer, on_gone, seat);
	TAILQ_INSERT_TAIL(&l->seats, seat, link);
	l->count++;
	review_room(l);
}

int listener_open(struct pool *p, const char *path, struct listener **ret, struct error *err)
{
	int handed = daemon_take_socket();
	int fd = handed >= 0 ? handed : fd_unix_listen(path, 0660, BACKLOG, err);
	struct listener *l;

	if (fd < 0)
		return fd;
	fd_set_nonblock(fd);
	l = mem_zalloc(sizeof(*l));
	l->pool = p;
	l->path = mem_strdup(path);
	l->handed = handed >= 0;
	TAILQ_INIT(&l->seats);
	l->socket = evconnlistener_new(p->base, on_accept, l,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	*ret = l;
	return 0;
}

void listener_stop(struct listener *l)
{
	l->stopping = true;
	review_room(l);
}

void listener_close(struct listener *l)
{
	struct seat *seat;

	if (l == NULL)
		return;
	while ((seat = TAILQ_FIRST(&l->seats)) != NULL) {
		client_drop(seat->client);
		remove_seat(seat);
	}
	evconnlistener_free(l->socket);
	if (!l->handed)
		unlink(l->path);
	free(l->path);
	free(l);
}
