#include "noise.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "browser.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

#define LINE_BYTES 4096

struct noise {
	const struct browser *browser;
	struct bufferevent *bev;
};

static void say(const struct browser *b, const char *line)
{
	if (b->version[0] == '\0')
		log_warning("browser says", "browser=%u text=\"%.400s\"", b->id, line);
	else
		log_debug("browser says", "browser=%u text=\"%.400s\"", b->id, line);
}

static void on_lines(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct noise *n = arg;
	char *line;

	while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF)) != NULL) {
		say(n->browser, line);
		free(line);
	}
	if (evbuffer_get_length(in) > LINE_BYTES)
		evbuffer_drain(in, evbuffer_get_length(in));
}

struct noise *noise_start(struct browser *b, int stderr_fd)
{
	struct noise *n = mem_zalloc(sizeof(*n));

	n->browser = b;
	n->bev = bufferevent_socket_new(b->pool->base, stderr_fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(n->bev, on_lines, NULL, NULL, n);
	bufferevent_enable(n->bev, EV_READ);
	return n;
}

void noise_stop(struct noise *n)
{
	if (n == NULL)
		return;
	evbuffer_read(bufferevent_get_input(n->bev), bufferevent_getfd(n->bev), LINE_BYTES);
	on_lines(n->bev, n);
	bufferevent_free(n->bev);
	free(n);
}
