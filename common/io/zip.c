#include "zip.h"

#include <assert.h>
#include <stdint.h>
#include <zlib.h>

#include "mem.h"

#define ZIP_MAX_BYTES	(64u * 1024 * 1024)
#define ZIP_MAX_ENTRIES 1000
#define ZIP_MAX_NAME	255

/* APPNOTE.TXT 4.3: all numbers little-endian. */
#define SIGNATURE_LOCAL	  0x04034b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_END	  0x06054b50u
#define VERSION_DEFLATE	  20u
#define METHOD_DEFLATE	  8u
#define DOS_DATE_1980	  0x0021u /* 1 January; the time is midnight */

struct zip {
	struct buf files;   /* local headers and data */
	struct buf central; /* the directory, grown beside */
	unsigned count;
	bool finished;
};

struct entry {
	const char *name;
	size_t name_len;
	uint32_t crc;
	size_t packed, plain, offset;
};

struct zip *zip_new(void)
{
	struct zip *z = mem_zalloc(sizeof(*z));

	z->files = z->central = (struct buf)BUF_INIT;
	return z;
}

void zip_free(struct zip *z)
{
	if (z == NULL)
		return;
	buf_done(&z->files);
	buf_done(&z->central);
	free(z);
}

static void add_u16(struct buf *b, size_t value)
{
	assert(value <= UINT16_MAX);
	buf_add_char(b, (char)(value & 0xff));
	buf_add_char(b, (char)(value >> 8 & 0xff));
}

static void add_u32(struct buf *b, size_t value)
{
	assert(value <= UINT32_MAX);
	add_u16(b, value & 0xffff);
	add_u16(b, value >> 16);
}

/* What the local header and the directory's entry have in common. */
static void add_entry_fields(struct buf *b, const struct entry *e)
{
	add_u16(b, VERSION_DEFLATE);
	add_u16(b, 0); /* flags: sizes are here, names are ASCII */
	add_u16(b, METHOD_DEFLATE);
	add_u16(b, 0);
	add_u16(b, DOS_DATE_1980);
	add_u32(b, e->crc);
	add_u32(b, e->packed);
	add_u32(b, e->plain);
	add_u16(b, e->name_len);
	add_u16(b, 0); /* extra field */
}

static void add_local_header(struct buf *b, const struct entry *e)
{
	add_u32(b, SIGNATURE_LOCAL);
	add_entry_fields(b, e);
	buf_add(b, e->name, e->name_len);
}

static void add_central_header(struct buf *b, const struct entry *e)
{
	add_u32(b, SIGNATURE_CENTRAL);
	add_u16(b, VERSION_DEFLATE); /* made by */
	add_entry_fields(b, e);
	add_u16(b, 0); /* comment */
	add_u16(b, 0); /* disk */
	add_u16(b, 0); /* internal attributes */
	add_u32(b, 0); /* external attributes */
	add_u32(b, e->offset);
	buf_add(b, e->name, e->name_len);
}

/* Appends raw deflate to out. The level and strategy are fixed, so the bytes are too. */
static void deflate_raw(const void *data, size_t len, struct buf *out)
{
	z_stream s = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)len};
	size_t bound;
	int r = deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);

	assert(r == Z_OK);
	bound = deflateBound(&s, (uLong)len);
	buf_reserve(out, bound);
	s.next_out = (Bytef *)out->data + out->len;
	s.avail_out = (uInt)bound;
	r = deflate(&s, Z_FINISH);
	assert(r == Z_STREAM_END);
	out->len += s.total_out;
	out->data[out->len] = '\0';
	deflateEnd(&s);
}

static void assert_name(const char *name, size_t len)
{
	assert(len > 0 && len <= ZIP_MAX_NAME && name[0] != '/');
	for (size_t i = 0; i < len; i++)
		assert(name[i] > ' ' && name[i] < 0x7f && name[i] != '\\');
}

void zip_add(struct zip *z, const char *name, const void *data, size_t len)
{
	CLEANUP(buf_done) struct buf packed = BUF_INIT;
	struct entry e = {
		.name = name, .name_len = strlen(name), .plain = len, .offset = z->files.len};

	assert(!z->finished && z->count < ZIP_MAX_ENTRIES);
	assert(len <= ZIP_MAX_BYTES && z->files.len <= ZIP_MAX_BYTES);
	assert_name(name, e.name_len);
	deflate_raw(data, len, &packed);
	e.packed = packed.len;
	e.crc = (uint32_t)crc32(0, data, (uInt)len);
	add_local_header(&z->files, &e);
	buf_add(&z->files, packed.data, packed.len);
	add_central_header(&z->central, &e);
	z->count++;
}

void zip_finish(struct zip *z, struct buf *out)
{
	assert(!z->finished);
	z->finished = true;
	buf_add(out, z->files.data, z->files.len);
	buf_add(out, z->central.data, z->central.len);
	add_u32(out, SIGNATURE_END);
	add_u16(out, 0); /* this disk */
	add_u16(out, 0); /* the directory's disk */
	add_u16(out, z->count);
	add_u16(out, z->count);
	add_u32(out, z->central.len);
	add_u32(out, z->files.len);
	add_u16(out, 0); /* comment */
}
