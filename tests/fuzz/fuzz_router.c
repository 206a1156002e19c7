/*
 * The pool's own code between a browser and two clients, all three of them the input's: client 1
 * holds a page, client 2 a browser. The input is lines; what a line's first character says:
 *
 *	1 2	the client sends the rest of it as a message; a b: without the end mark
 *	<	the browser sends it; >: without the end mark
 *	x y	the client closes; z: the browser does
 *
 * In what the browser sends, $1 and $2 are the sessions of the clients' pages, $t the target of the
 * second one's, $i the last open call. Whatever happens: what gets as far as the browser is a
 * well-formed call that the client may make, and what the one client's page says never comes to the
 * other.
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "browser.h"
#include "client.h"
#include "fake_chromium.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

#define MAX_LINES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __wrap_log_write(enum log_level level, const char *msg, const char *fmt, ...);

struct peer {
	int fd;
	struct client *client; /* NULL when it is gone */
	struct buf in;	       /* all that the pool sent */
	char page[64];	       /* its page's session, as the browser calls it */
	char target[64];       /* of it, if the client knows */
};

static struct event_base *base;
static struct settings settings;
static struct pool *pool;
static struct peer peers[2] = { { .fd = -1, .in = BUF_INIT }, { .fd = -1, .in = BUF_INIT } };

void __wrap_log_write(enum log_level level, const char *msg, const char *fmt, ...)
{
	(void)level;
	(void)msg;
	(void)fmt;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool read_peer(struct peer *p)
{
	char bytes[65536];
	ssize_t got = p->fd >= 0 ? read(p->fd, bytes, sizeof(bytes)) : -1;

	if (got > 0)
		buf_add(&p->in, bytes, (size_t)got);
	return got > 0;
}

/* Lets everybody go on until nobody has anything to say. */
static void settle(void)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		bool busy;

		event_base_loop(base, EVLOOP_NONBLOCK);
		busy = fake_chromium_turn();
		busy = read_peer(&peers[0]) || busy;
		busy = read_peer(&peers[1]) || busy;
		if (busy)
			quiet = -1;
	}
}

static void on_gone(void *arg)
{
	struct peer *p = arg;

	p->client = NULL;
}

static void open_peer(struct peer *p)
{
	struct ucred nobody = { .pid = 1, .uid = 1, .gid = 1 };
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	buf_clear(&p->in);
	p->fd = pair[1];
	p->client = client_new(pool, pair[0], &nobody, on_gone, p);
}

static void close_peer(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void send_peer(struct peer *p, const char *text, size_t len, bool with_end)
{
	ssize_t ignored;

	if (p->fd < 0)
		return;
	ignored = send(p->fd, text, len, MSG_NOSIGNAL);
	if (with_end)
		ignored = send(p->fd, "", 1, MSG_NOSIGNAL);
	(void)ignored; /* the pool may have closed */
}

static void tell(struct peer *p, const char *text)
{
	send_peer(p, text, strlen(text), true);
	settle();
}

/* Both clients get what they came for. */
static void begin(void)
{
	base = event_base_new();
	settings_init(&settings);
	settings.pool_max_pages = 2;
	settings.pool_max_browsers = 1;
	pool = pool_new(base, &settings, NULL);
	settle();
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		open_peer(&peers[i]);
}

static void lease_both(void)
{
	struct peer *page = &peers[0], *browser = &peers[1];
	char attach[192];
	const char *target;

	tell(page, "{\"op\":\"lease\",\"class\":\"check\",\"key\":\"k\",\"idle_ms\":60000}");
	tell(browser, "{\"op\":\"lease\",\"class\":\"check\",\"mode\":\"browser\"}");
	must(memmem(page->in.data, page->in.len, "leased", 6) != NULL);
	must(memmem(browser->in.data, browser->in.len, "leased", 6) != NULL);
	tell(page, "{\"id\":1,\"method\":\"Page.enable\"}");
	memcpy(page->page, fake_chromium.open_session, sizeof(page->page));
	tell(browser,
	     "{\"id\":1,\"method\":\"Target.createTarget\",\"params\":{\"url\":\"about:blank\"}}");
	target = memmem(browser->in.data, browser->in.len, "\"targetId\":\"", 12);
	must(target != NULL);
	snprintf(browser->target, sizeof(browser->target), "%.*s", (int)strcspn(target + 12, "\""),
		 target + 12);
	snprintf(attach, sizeof(attach),
		 "{\"id\":2,\"method\":\"Target.attachToTarget\",\"params\":{\"flatten\":true,"
		 "\"targetId\":\"%s\"}}",
		 browser->target);
	tell(browser, attach);
	tell(browser, "{\"id\":3,\"method\":\"Page.enable\",\"sessionId\":\"s1\"}");
	memcpy(browser->page, fake_chromium.open_session, sizeof(browser->page));
	must(strcmp(page->page, browser->page) != 0);
	fake_chromium.answers_all = false;
}

/* NULL: there is no such word. */
static const char *fill_in(char word, char *number, size_t size)
{
	switch (word) {
	case '1':
	case '2':
		return peers[word - '1'].page;
	case 't':
		return peers[1].target;
	case 'i':
		snprintf(number, size, "%lld", (long long)fake_chromium.open_id);
		return number;
	default:
		return NULL;
	}
}

static void send_browser(const char *line, size_t len, bool with_end)
{
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	char number[32];

	for (size_t i = 0; i < len; i++) {
		const char *word = NULL;

		if (line[i] == '$' && i + 1 < len)
			word = fill_in(line[i + 1], number, sizeof(number));
		if (word != NULL) {
			buf_add_str(&text, word);
			i++;
		} else {
			buf_add_char(&text, line[i]);
		}
	}
	fake_chromium_send(text.data, text.len, with_end);
}

static void take_line(const char *line, size_t len)
{
	switch (line[0]) {
	case '1':
	case '2':
		send_peer(&peers[line[0] - '1'], line + 1, len - 1, true);
		break;
	case 'a':
	case 'b':
		send_peer(&peers[line[0] - 'a'], line + 1, len - 1, false);
		break;
	case '<':
	case '>':
		send_browser(line + 1, len - 1, line[0] == '<');
		break;
	case 'x':
	case 'y':
		close_peer(&peers[line[0] - 'x']);
		break;
	case 'z':
		fake_chromium_close();
		break;
	default:
		return;
	}
	settle();
}

static bool has_canary(const struct buf *b, int of)
{
	char canary[] = "canary-1";

	canary[7] = (char)('1' + of);
	return memmem(b->data, b->len, canary, sizeof(canary) - 1) != NULL;
}

/* Each page says something that is only for its client. */
static void say_canaries(void)
{
	for (int i = 0; i < 2; i++) {
		char text[160];

		snprintf(text, sizeof(text),
			 "{\"method\":\"Page.said\",\"params\":{\"what\":\"canary-%d\"},"
			 "\"sessionId\":\"%s\"}",
			 i + 1, peers[i].page);
		fake_chromium_send(text, strlen(text), true);
		settle();
	}
	must(!has_canary(&peers[0].in, 1));
	must(!has_canary(&peers[1].in, 0));
}

static void end(void)
{
	struct browser *b;

	for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
		close_peer(&peers[i]);
		if (peers[i].client != NULL)
			client_drop(peers[i].client);
		peers[i].client = NULL;
	}
	pool_stop(pool, 0);
	settle();
	for (int state = 0; state < BROWSER_STATE_COUNT; state++)
		while ((b = TAILQ_FIRST(&pool->browsers[state])) != NULL)
			browser_note_exit(b, 0);
	settle();
	must(pool_context_count(pool) == 0);
	fake_chromium_close();
	pool_free(pool);
	event_base_free(base);
	settings_done(&settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *stop = p + size;

	if (memmem(data, size, "canary", 6) != NULL)
		return 0; /* the input itself would say it */
	begin();
	lease_both();
	for (int i = 0; i < MAX_LINES && p < stop; i++) {
		const char *newline = memchr(p, '\n', (size_t)(stop - p));
		size_t len = (size_t)((newline ? newline : stop) - p);

		if (len > 0)
			take_line(p, len);
		p += len + 1;
	}
	say_canaries();
	end();
	return 0;
}
