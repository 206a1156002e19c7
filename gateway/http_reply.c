/* http_reply.c - the answers of http.h, and the headers that every one of them carries. */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "gateway.h"
#include "http_conn.h"
#include "http_internal.h"
#include "http_server.h"
#include "mem.h"
#include "text.h"
#include "traffic.h"

#define PAGE_LINES                                                                                 \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=(), "       \
	"interest-cohort=()\r\n"                                                                   \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "             \
	"form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
/* Of what no browser shows as a page: enough that none is made of it. */
#define DATA_LINES                                                                                 \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'"
#define DATE_SIZE 40

const char http_security_lines[] = PAGE_LINES "\r\n";

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return status < 400 ? "OK" : "Error";
}

void reply_header(struct request *r, const char *name, const char *value)
{
	if (!r->ended && !text_has_control(value, strlen(value)))
		evhttp_add_header(evhttp_request_get_output_headers(r->ev), name, value);
}

/* A Date, and in further lines what goes with it on every answer; good until the next call. */
static const char *date_and_common(bool is_data)
{
	static struct {
		time_t second;
		char page[DATE_SIZE + sizeof(PAGE_LINES)], data[DATE_SIZE + sizeof(DATA_LINES)];
	} known;
	time_t now = time(NULL);
	char date[DATE_SIZE];
	struct tm tm;

	if (known.second != now) {
		evutil_date_rfc1123(date, sizeof(date), gmtime_r(&now, &tm));
		snprintf(known.page, sizeof(known.page), "%s\r\n" PAGE_LINES, date);
		snprintf(known.data, sizeof(known.data), "%s\r\n" DATA_LINES, date);
		known.second = now;
	}
	return is_data ? known.data : known.page;
}

/*
 * evhttp checks, copies and formats each header by itself, and makes the Date anew each time: all of it
 * took a tenth of a short answer. So what is the same for a second is one header to evhttp, whose value
 * goes on in further lines; evhttp_add_header() would not take such a one from a stranger.
 */
static void add_common_headers(struct request *r)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r->ev);
	struct evkeyval *header = mem_zalloc(sizeof(*header)); /* evhttp's from here on */
	bool is_data = request_is_api(r);

	header->key = mem_strdup("Date");
	header->value = mem_strdup(date_and_common(is_data));
	TAILQ_INSERT_TAIL(headers, header, next);
	if (is_data && evhttp_find_header(headers, "Cache-Control") == NULL)
		evhttp_add_header(headers, "Cache-Control", "no-store");
}

/* evhttp sends what is in the buffer even for HEAD, so there only the length is said. */
static void send_reply(struct request *r, int status, struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r->ev);
	char length[32];

	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	if (status != 204 && status != 304)
		evhttp_add_header(headers, "Content-Length", length);
	if (request_is_head(r) || status == 204 || status == 304)
		evbuffer_drain(body, evbuffer_get_length(body));
	if (http_server_is_stopping(r->server))
		evhttp_add_header(headers, "Connection", "close");
	http_server_writing(r);
	evhttp_send_reply(r->ev, status, http_reason(status), body);
	http_conn_write(r->conn);
}

void reply_buffer(struct request *r, int status, const char *content_type, struct evbuffer *body)
{
	assert(!r->ended); /* exactly one answer */
	traffic_answered(r->g->traffic, r->route, status, clock_now_us() - r->came_us);
	if (evhttp_request_get_connection(r->ev) == NULL) {
		evhttp_request_free(r->ev); /* the client left, and evhttp left it to us */
	} else {
		if (content_type != NULL)
			reply_header(r, "Content-Type", content_type);
		add_common_headers(r);
		send_reply(r, status, body);
	}
	evbuffer_free(body);
	request_end(r);
}

static struct evbuffer *new_body(void)
{
	struct evbuffer *body = evbuffer_new();

	if (body == NULL)
		abort();
	return body;
}

static void free_text(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	free(arg);
}

static void reply_text(struct request *r, int status, const char *content_type, char *text)
{
	struct evbuffer *body = new_body();

	evbuffer_add_reference(body, text, strlen(text), free_text, text);
	reply_buffer(r, status, content_type, body);
}

void reply_json(struct request *r, int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (text == NULL) {
		reply_problem(r, 500, "internal", "The answer could not be written.");
		return;
	}
	reply_text(r, status, "application/json", text);
}

void reply_json_text(struct request *r, int status, const char *text, size_t len)
{
	struct evbuffer *body = new_body();

	evbuffer_add(body, text, len);
	reply_buffer(r, status, "application/json", body);
}

void reply_empty(struct request *r, int status)
{
	reply_buffer(r, status, NULL, new_body());
}

char *problem_text(int status, const char *code, const char *detail)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
				 http_reason(status), "status", status, "code", code, "detail",
				 detail);
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	return text != NULL ? text : mem_strdup("{\"code\":\"internal\"}");
}

void reply_problem(struct request *r, int status, const char *code, const char *fmt, ...)
{
	CLEANUP(buf_done) struct buf detail = BUF_INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_add(&detail, text, text_cut_utf8(text, strlen(text), sizeof(text) - 1));
	if (status == 429 || status == 503)
		traffic_limited(r->g->traffic, code);
	reply_text(r, status, "application/problem+json", problem_text(status, code, detail.data));
}

void reply_problem_close(struct request *r, int status, const char *code, const char *detail)
{
	reply_header(r, "Connection", "close");
	reply_problem(r, status, code, "%s", detail);
}

/* attachment; filename="plain"; filename*=UTF-8''percent-encoded (RFC 6266) */
static void add_disposition(struct request *r, const char *file_name)
{
	CLEANUP(buf_done) struct buf value = BUF_INIT;
	CLEANUP_FREE char *encoded = evhttp_uriencode(file_name, -1, 0);

	buf_add_str(&value, "attachment; filename=\"");
	for (const char *c = file_name; *c != '\0'; c++) {
		bool plain = *c >= 0x20 && *c < 0x7f && strchr("\"\\%/", *c) == NULL;

		buf_add_char(&value, plain ? *c : '_');
	}
	buf_printf(&value, "\"; filename*=UTF-8''%s", encoded);
	reply_header(r, "Content-Disposition", value.data);
}

void reply_file(struct request *r, int fd, uint64_t size, const char *content_type,
		const char *file_name)
{
	struct evbuffer *body = new_body();

	add_disposition(r, file_name);
	if (size == 0) {
		close(fd);
	} else if (evbuffer_add_file(body, fd, 0, (ev_off_t)size) < 0) {
		close(fd);
		evbuffer_free(body);
		reply_problem(r, 500, "internal", "The file could not be read.");
		return;
	}
	reply_buffer(r, 200, content_type, body);
}
