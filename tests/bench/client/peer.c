#include "peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/bench.h"

#define PATIENCE_MS 30000

void peer_init(struct peer *p, int in, int out)
{
	*p = (struct peer){ .in = in, .out = out, .size = 65536 };
	p->buf = malloc(p->size);
	if (p->buf == NULL)
		die("no memory");
}

void peer_done(struct peer *p)
{
	close(p->in);
	if (p->out != p->in)
		close(p->out);
	free(p->buf);
}

static void peer_write(struct peer *p, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(p->out, text, len);

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
	struct pollfd readable = { .fd = p->in, .events = POLLIN };
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
	n = read(p->in, p->buf + p->used, p->size - p->used);
	if (n == 0)
		die("the peer closed");
	if (n < 0 && errno != EINTR)
		die("read: %s", strerror(errno));
	p->used += n > 0 ? (size_t)n : 0;
}

json_t *peer_read(struct peer *p)
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

const char *peer_word(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

long peer_send(struct peer *p, const char *method, const char *params)
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
	const char *method = peer_word(message, "method");

	if (strcmp(method, "Page.loadEventFired") == 0)
		p->loads++;
	if (strcmp(method, "Pool.ended") == 0)
		die("the lease ended: %s", peer_word(json_object_get(message, "params"), "reason"));
}

json_t *peer_call(struct peer *p, const char *method, const char *params)
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
			die("%s: %s", method,
			    peer_word(json_object_get(message, "error"), "message"));
		json_incref(result);
		json_decref(message);
		return result;
	}
}

void peer_do(struct peer *p, const char *method, const char *params)
{
	json_decref(peer_call(p, method, params));
}

void peer_wait_load(struct peer *p, unsigned before)
{
	while (p->loads == before) {
		json_t *message = peer_read(p);

		note_event(p, message);
		json_decref(message);
	}
}

json_t *peer_evaluate(struct peer *p, const char *params)
{
	json_t *answer = peer_call(p, "Runtime.evaluate", params);
	json_t *value = json_incref(json_object_get(json_object_get(answer, "result"), "value"));

	if (json_object_get(answer, "exceptionDetails") != NULL)
		die("a script failed: %s",
		    peer_word(json_object_get(answer, "result"), "description"));
	json_decref(answer);
	return value;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

void peer_lease(struct peer *p, const char *path, const char *key)
{
	char text[256];
	json_t *message;
	int fd, len = snprintf(text, sizeof(text),
			       "{\"op\":\"lease\",\"class\":\"check\",\"hidden\":true%s%s%s}",
			       key ? ",\"key\":\"" : "", key ? key : "", key ? "\"" : "");

	fd = connect_to(path);
	peer_init(p, fd, fd);
	peer_write(p, text, (size_t)len + 1);
	while ((message = peer_read(p)) != NULL) {
		const char *type = peer_word(message, "type");

		if (strcmp(type, "refused") == 0)
			die("refused: %s", peer_word(message, "message"));
		if (strcmp(type, "leased") == 0)
			break;
		json_decref(message);
	}
	json_decref(message);
}
