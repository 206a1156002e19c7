#include "picture.h"

#include <string.h>

#define PICTURE_MAX 30000

static unsigned be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static unsigned be32(const unsigned char *p)
{
	return be16(p) << 16 | be16(p + 2);
}

/* Signature, then IHDR: length, name, width, height (PNG 1.2, 3.2 and 4.1.1). */
static bool read_png(const unsigned char *p, size_t len, struct picture *ret)
{
	static const unsigned char head[16] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
					       0,    0,	  0,   13,  'I',  'H',	'D',  'R'};

	if (len < 33 || memcmp(p, head, sizeof(head)) != 0)
		return false;
	*ret = (struct picture){PICTURE_PNG, be32(p + 16), be32(p + 20)};
	return true;
}

/* SOF0 .. SOF15 hold the size; C4, C8 and CC are other things (ITU T.81, table B.1). */
static bool is_frame(unsigned marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
	       marker != 0xcc;
}

static bool has_no_length(unsigned marker)
{
	return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

static bool read_jpeg(const unsigned char *p, size_t len, struct picture *ret)
{
	size_t at = 2;

	if (len < 4 || p[0] != 0xff || p[1] != 0xd8)
		return false;
	while (at + 9 <= len && p[at] == 0xff) {
		unsigned marker = p[at + 1];

		if (marker == 0xff) { /* padding */
			at++;
		} else if (has_no_length(marker)) {
			at += 2;
		} else if (is_frame(marker)) {
			*ret = (struct picture){PICTURE_JPEG, be16(p + at + 7), be16(p + at + 5)};
			return true;
		} else if (marker == 0xd9 || marker == 0xda || be16(p + at + 2) < 2) {
			return false;
		} else {
			at += 2 + be16(p + at + 2);
		}
	}
	return false;
}

bool picture_read(const void *data, size_t len, struct picture *ret)
{
	struct picture p = {0};

	if (!read_png(data, len, &p) && !read_jpeg(data, len, &p))
		return false;
	if (p.width < 1 || p.width > PICTURE_MAX || p.height < 1 || p.height > PICTURE_MAX)
		return false;
	*ret = p;
	return true;
}
