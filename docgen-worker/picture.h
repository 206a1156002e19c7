/*
 * picture.h - type and size of a PNG or JPEG file, read from its header. Nothing is decoded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum picture_type { PICTURE_PNG, PICTURE_JPEG };

struct picture {
	enum picture_type type;
	unsigned width, height; /* pixels, 1 .. 30000 */
};

/* false when the bytes are neither, are cut off within the header, or have no sane size. */
bool picture_read(const void *data, size_t len, struct picture *ret);
