#include "page_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base64.h"
#include "fd.h"
#include "mem.h"

int page_write_fd(void *int_ptr, const void *data, size_t len, struct error *err)
{
	int r = fd_write_all(*(const int *)int_ptr, data, len);

	return r < 0 ? error_set(err, r, "write: %s", strerror(-r)) : 0;
}

int page_write_buf(void *buf, const void *data, size_t len, struct error *err)
{
	(void)err;
	buf_add(buf, data, len);
	return 0;
}

static int pour(struct page_sink *sink, const void *data, size_t len, struct error *err)
{
	int r;

	if (len > sink->max_bytes - MIN(sink->bytes, sink->max_bytes))
		return error_set(err, -EFBIG, "more than %" PRIu64 " bytes", sink->max_bytes);
	r = len > 0 ? sink->write(sink->arg, data, len, err) : 0;
	if (r == 0)
		sink->bytes += len;
	return r;
}

static int take_piece(json_t *piece, struct page_sink *sink, struct error *err)
{
	CLEANUP(buf_done) struct buf bytes = BUF_INIT;
	json_t *data = json_object_get(piece, "data");
	const char *text = json_string_value(data);
	size_t len = json_string_length(data);

	if (text == NULL)
		return error_set(err, -EREMOTEIO, "IO.read: no data");
	if (!json_is_true(json_object_get(piece, "base64Encoded")))
		return pour(sink, text, len, err);
	if (!base64_decode(text, len, &bytes))
		return error_set(err, -EREMOTEIO, "IO.read: not base64");
	return pour(sink, bytes.data, bytes.len, err);
}

/* 1: that was the last one. */
static int read_piece(struct lease *l, const char *handle, struct page_sink *sink,
		      struct deadline deadline, struct error *err)
{
	json_t *piece = NULL;
	int r = page_call(l, "IO.read",
			  json_pack("{ss si}", "handle", handle, "size", PAGE_PIECE_BYTES),
			  deadline, &piece, err);

	if (r < 0)
		return r;
	r = take_piece(piece, sink, err);
	if (r == 0 && json_is_true(json_object_get(piece, "eof")))
		r = 1;
	json_decref(piece);
	return r;
}

int page_stream_read(struct lease *l, const char *handle, struct page_sink *sink,
		     struct deadline deadline, struct error *err)
{
	int r;

	do
		r = read_piece(l, handle, sink, deadline, err);
	while (r == 0);
	lease_post(l, "IO.close", json_pack("{ss}", "handle", handle), NULL);
	return MIN(r, 0);
}
