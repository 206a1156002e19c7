/*
 * api_calendar.c - the calendar link: made, told about and taken back by the student, and read by
 * whatever calendar knows it.
 *
 *	POST: a new token -> its keyed hash in pensum.calendars; the link in the answer, nowhere else
 *	GET /calendar/{token}.ics -> keyed hash -> pensum.calendar_read() -> ics.h
 *
 * The link needs no cookie and outlives sessions; nothing but this feed can be had by it.
 */
#include "api_handlers.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_call.h"
#include "buf.h"
#include "clock.h"
#include "http_internal.h"
#include "ics.h"
#include "mem.h"

#define PURPOSE_LINK "calendar link"
#define PURPOSE_UID  "calendar entry"

/* The columns of pensum.calendar_read(). */
enum column {
	COL_USER,
	COL_SITE,
	COL_CHECKED,
	COL_CMID,
	COL_COURSE,
	COL_NAME,
	COL_URL,
	COL_DUE,
	COL_STATUS,
	COL_UNSURE,
	COL_CHANGED,
	COL_SEQUENCE
};

static const char *status_words(const char *status)
{
	static const char *const words[][2] = {
		{ "none", "Not submitted" },
		{ "draft", "Draft saved, not submitted" },
		{ "reopened", "Reopened for another try" },
		{ "submitted", "Submitted, and still open" },
		{ "graded", "Graded, and still open" },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], status) == 0)
			return words[i][1];
	return "Not known";
}

/* "22 Nov 2026, 10:11 UTC" */
static void add_moment(struct buf *out, int64_t epoch_s)
{
	time_t t = (time_t)epoch_s;
	char text[40];
	struct tm tm;

	strftime(text, sizeof(text), "%d %b %Y, %H:%M UTC", gmtime_r(&t, &tm));
	buf_add_str(out, text);
}

static void describe(const struct pgloop_result *rows, size_t row, struct buf *out)
{
	const char *unsure = pgloop_value(rows, row, COL_UNSURE);

	buf_printf(out, "%s\n%s", pgloop_value(rows, row, COL_COURSE),
		   status_words(pgloop_value(rows, row, COL_STATUS)));
	if (unsure != NULL) {
		buf_add_str(out, "\nCould not be checked since ");
		add_moment(out, api_int_value(rows, row, COL_UNSURE));
		buf_add_str(out, "; this is what was known before.");
	}
	buf_printf(out, "\n%s", pgloop_value(rows, row, COL_URL));
}

/* The same for one student's assignment forever, and no one can tell from it which. */
static void make_uid(struct gateway *g, const struct pgloop_result *rows, size_t row,
		     char out[VAULT_DIGEST])
{
	char name[96];

	snprintf(name, sizeof(name), "%s %s", pgloop_value(rows, row, COL_USER),
		 pgloop_value(rows, row, COL_CMID));
	vault_digest(g->vault, PURPOSE_UID, name, out);
}

static void add_entry(struct gateway *g, const struct pgloop_result *rows, size_t row,
		      struct buf *out)
{
	CLEANUP(buf_done) struct buf summary = BUF_INIT;
	CLEANUP(buf_done) struct buf description = BUF_INIT;
	char uid[VAULT_DIGEST];
	struct ics_event e = { .uid = uid,
			       .category = pgloop_value(rows, row, COL_COURSE),
			       .url = pgloop_value(rows, row, COL_URL),
			       .due = api_int_value(rows, row, COL_DUE),
			       .changed = api_int_value(rows, row, COL_CHANGED),
			       .sequence = (int)api_int_value(rows, row, COL_SEQUENCE),
			       .tentative = pgloop_value(rows, row, COL_UNSURE) != NULL };

	make_uid(g, rows, row, uid);
	buf_printf(&summary, "%s \xc2\xb7 %s", pgloop_value(rows, row, COL_NAME), e.category);
	describe(rows, row, &description);
	e.summary = summary.data;
	e.description = description.data;
	ics_add_event(out, &e, clock_wall_ms() / 1000);
}

static void add_head(struct gateway *g, const struct pgloop_result *rows, struct buf *out)
{
	const struct site *site = sites_find(g->settings, pgloop_value(rows, 0, COL_SITE));
	CLEANUP_FREE char *name = mem_printf("Due on %s", site != NULL ? site->name : "Moodle");
	CLEANUP(buf_done) struct buf text = BUF_INIT;
	int64_t checked = api_int_value(rows, 0, COL_CHECKED);

	buf_add_str(&text, "What is still to be handed in, ");
	if (checked > 0) {
		buf_add_str(&text, "as of the check of ");
		add_moment(&text, checked);
	} else {
		buf_add_str(&text, "once something has been checked");
	}
	buf_add_str(&text, ". Work without a due date is not in it.");
	ics_begin(out, name, text.data, checked);
}

static void reply_feed(struct request *r, const struct buf *feed)
{
	struct evbuffer *body;
	char hash[VAULT_HASH_HEX], etag[36];

	vault_hash(feed->data, feed->len, hash);
	snprintf(etag, sizeof(etag), "\"%.32s\"", hash);
	reply_header(r, "ETag", etag);
	reply_header(r, "Cache-Control", "private, no-cache");
	if (request_knows(r, etag)) {
		reply_empty(r, 304);
		return;
	}
	reply_header(r, "Content-Disposition", "inline; filename=\"pensum.ics\"");
	body = evbuffer_new();
	if (body == NULL)
		abort();
	evbuffer_add(body, feed->data, feed->len);
	reply_buffer(r, 200, "text/calendar; charset=utf-8", body);
}

static void got_entries(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			void *arg)
{
	CLEANUP(buf_done) struct buf feed = BUF_INIT;

	(void)arg;
	if (pgloop_rows(rows) == 0) {
		api_reply_unknown(r);
		return;
	}
	add_head(g, rows, &feed);
	for (size_t i = 0; i < pgloop_rows(rows); i++)
		if (pgloop_value(rows, i, COL_CMID) != NULL)
			add_entry(g, rows, i, &feed);
	ics_end(&feed);
	reply_feed(r, &feed);
}

void api_calendar_read(struct gateway *g, struct request *r)
{
	char hash[VAULT_DIGEST];
	const char *params[] = { hash };

	vault_digest(g->vault, PURPOSE_LINK, request_id_param(r), hash);
	api_query(g, r, "SELECT * FROM pensum.calendar_read($1)", ARRAY_LEN(params), params,
		  got_entries, NULL);
}

/* ---- the student's side ---- */

/* As the student's calendar will ask for it. Yours to free(). */
static char *link_of(const struct gateway *g, const struct request *r, const char *token)
{
	const char *public_url = g->settings->gateway_public_url;
	const char *host = request_header(r, "Host");

	if (public_url[0] != '\0')
		return mem_printf("%s/calendar/%s.ics", public_url, token);
	return mem_printf("http://%s/calendar/%s.ics",
			  host != NULL ? host : g->settings->gateway_listen, token);
}

struct making {
	char token[VAULT_TOKEN_SIZE];
};

static void forget_token(void *arg)
{
	struct making *m = arg;

	mem_wipe(m->token, sizeof(m->token));
}

static void made(struct gateway *g, struct request *r, const struct pgloop_result *rows, void *arg)
{
	const struct making *m = arg;
	CLEANUP_FREE char *url = link_of(g, r, m->token);
	json_t *answer =
		json_pack("{s:s, s:s}", "url", url, "created_at", pgloop_value(rows, 0, 0));

	mem_wipe(url, strlen(url));
	reply_json(r, 201, answer);
}

void api_calendar_create(struct gateway *g, struct request *r)
{
	struct making *m = request_alloc(r, sizeof(*m));
	char hash[VAULT_DIGEST];
	const char *params[] = { request_session(r)->user_id, hash, request_session(r)->site };

	request_on_free(r, forget_token, m);
	vault_new_token(m->token);
	vault_digest(g->vault, PURPOSE_LINK, m->token, hash);
	api_query(g, r, "SELECT pensum.iso(pensum.calendar_make($1, $2, $3))", ARRAY_LEN(params),
		  params, made, m);
}

static void got_calendar(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			 void *arg)
{
	json_t *calendar = pgloop_rows(rows) > 0 ? api_json_value(rows, 0, 0) : json_null();

	(void)g;
	(void)arg;
	reply_json(r, 200, json_pack("{s:o}", "calendar", calendar));
}

void api_calendar_get(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id };

	api_query(g, r,
		  "SELECT jsonb_build_object('created_at', pensum.iso(c.created_at), "
		  "'read_at', pensum.iso(c.read_at), 'checked_at', pensum.iso(c.checked_at), "
		  "'entries', (SELECT count(*) FROM pensum.calendar_entries e "
		  "WHERE e.user_id = c.user_id AND e.is_owed)) "
		  "FROM pensum.calendars c WHERE c.user_id = $1",
		  ARRAY_LEN(params), params, got_calendar, NULL);
}

static void deleted(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		    void *arg)
{
	(void)g;
	(void)rows;
	(void)arg;
	reply_empty(r, 204);
}

void api_calendar_delete(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id };

	api_query(g, r, "DELETE FROM pensum.calendars WHERE user_id = $1", ARRAY_LEN(params),
		  params, deleted, NULL);
}
