/*
 * api_document_files.c - the student's documents, and the files behind their signed links.
 *
 * A link is good for its owner's session, until it expires; its signature is over the text
 * "document <id> <user> <expires>":
 *	/api/v1/documents/<id>/file?expires=<epoch>&signature=<base64url>
 */
#include "api_handlers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_call.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "text.h"

#define LINK_TEXT_SIZE 128
#define LINK_SIZE      192

static const char *signed_text(const char *id, const char *user_id, int64_t expires,
			       char out[LINK_TEXT_SIZE])
{
	snprintf(out, LINK_TEXT_SIZE, "document %s %s %lld", id, user_id, (long long)expires);
	return out;
}

static void add_link(struct gateway *g, const char *user_id, int64_t now, json_t *document)
{
	const char *id = json_string_value(json_object_get(document, "id"));
	int64_t end = json_integer_value(json_object_get(document, "expires_epoch"));
	int64_t expires = MIN(now + g->settings->documents_link_s, end);
	char text[LINK_TEXT_SIZE], signature[VAULT_SIGNATURE], link[LINK_SIZE];

	vault_sign(g->vault, signed_text(id, user_id, expires, text), signature);
	snprintf(link, sizeof(link), "/api/v1/documents/%s/file?expires=%lld&signature=%s", id,
		 (long long)expires, signature);
	json_object_del(document, "expires_epoch");
	json_object_set_new(document, "link", json_string(link));
}

static void got_documents(struct gateway *g, struct request *r, const struct pgloop_result *rows,
			  void *arg)
{
	json_t *documents = api_json_value(rows, 0, 0), *document;
	size_t i;

	(void)arg;
	json_array_foreach(documents, i, document) {
		add_link(g, request_session(r)->user_id, clock_wall_ms() / 1000, document);
	}
	reply_json(r, 200, json_pack("{s:o}", "documents", documents));
}

void api_documents_get(struct gateway *g, struct request *r)
{
	const char *params[] = { request_session(r)->user_id };

	api_query_quick(
		g, r,
		"SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'assignment', d.cmid, "
		"'title', d.title, 'course', d.course_name, 'file_name', d.file_name, "
		"'format', d.format, 'bytes', d.bytes, 'created_at', pensum.iso(d.created_at), "
		"'expires_at', pensum.iso(d.expires_at), "
		"'expires_epoch', pensum.epoch(d.expires_at)) "
		"ORDER BY d.created_at DESC, d.id), '[]') "
		"FROM (SELECT * FROM pensum.documents WHERE user_id = $1 AND expires_at > now() "
		"ORDER BY created_at DESC, id LIMIT 100) d",
		ARRAY_LEN(params), params, got_documents, NULL);
}

/* False: the 403 has been sent. */
static bool link_is_good(struct gateway *g, struct request *r)
{
	const char *signature = request_query(r, "signature");
	const char *expires = request_query(r, "expires");
	char text[LINK_TEXT_SIZE];
	int64_t at = 0;

	if (signature == NULL || expires == NULL ||
	    text_parse_i64(expires, 0, INT64_MAX, &at, NULL) < 0 ||
	    !vault_signature_is_valid(
		    g->vault,
		    signed_text(request_id_param(r), request_session(r)->user_id, at, text),
		    signature)) {
		reply_problem(r, 403, "bad_signature", "Pensum did not give out this link.");
		return false;
	}
	if (at < clock_wall_ms() / 1000) {
		reply_problem(r, 403, "link_expired", "This link has expired. Get a new one.");
		return false;
	}
	return true;
}

static const char *content_type_of(const char *format)
{
	return strcmp(format, "docx") == 0
		       ? "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		       : "application/octet-stream";
}

static void got_file(struct gateway *g, struct request *r, const struct pgloop_result *rows,
		     void *arg)
{
	struct error err;
	uint64_t size;
	int fd, e;

	(void)arg;
	if (pgloop_rows(rows) == 0) {
		api_reply_unknown(r);
		return;
	}
	if (!link_is_good(g, r))
		return;
	e = store_open_object(g->store, pgloop_value(rows, 0, 0), &fd, &size, &err);
	if (e == 0) {
		reply_file(r, fd, size, content_type_of(pgloop_value(rows, 0, 2)),
			   pgloop_value(rows, 0, 1));
		return;
	}
	log_error("document cannot be opened", "document=%s why=\"%s\"", request_id_param(r),
		  err.text);
	if (e == -ENOENT)
		api_reply_unknown(r);
	else
		reply_problem(r, 500, "internal", "The document cannot be read.");
}

/* Whose it is comes first: somebody else's document is as unknown as none. */
void api_document_file(struct gateway *g, struct request *r)
{
	const char *params[] = { request_id_param(r), request_session(r)->user_id };

	if (params[0] == NULL || !id_is_valid(params[0])) {
		api_reply_unknown(r);
		return;
	}
	api_query_quick(g, r,
			"SELECT object, file_name, format FROM pensum.documents "
			"WHERE id = $1 AND user_id = $2 AND expires_at > now()",
			ARRAY_LEN(params), params, got_file, NULL);
}
