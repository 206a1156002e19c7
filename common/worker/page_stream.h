/*
 * page_stream.h - where what comes out of the browser in pieces goes.
 *
 * The browser keeps a stream until it is closed, so page_stream_read() always closes it, also when
 * it fails and when its deadline is over. (A stream whose name we never learnt, because the call
 * that makes it timed out, goes with the lease.)
 */
#pragma once

#include <stdint.h>

#include "buf.h"
#include "page.h"

#define PAGE_PIECE_BYTES (256 * 1024) /* of the stream, before base64 */

/* 0, or a negative errno with its sentence, which ends the transfer and is what it returns. */
typedef int page_write_fn(void *arg, const void *data, size_t len, struct error *err);

struct page_sink {
	page_write_fn *write;
	void *arg;
	uint64_t max_bytes; /* more is -EFBIG; what came before it has been written */
	uint64_t bytes;	    /* written; counts on from what it is */
};

int page_write_fd(void *int_ptr, const void *data, size_t len, struct error *err);
int page_write_buf(void *buf, const void *data, size_t len, struct error *err);

/* handle as CDP gave it, of this lease. Errors as in lease.h, -EFBIG, and those of write. */
int page_stream_read(struct lease *l, const char *handle, struct page_sink *sink,
		     struct deadline deadline, struct error *err);
