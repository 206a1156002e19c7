#include "page_shot.h"

#include <errno.h>

#include "base64.h"

#define MAX_SIDE   16384
#define MAX_PIXELS 32e6

struct area {
	double x, y, width, height;
};

static double number(json_t *object, const char *member)
{
	return json_number_value(json_object_get(object, member));
}

/* All of the document, or what a window shows of it. */
static int measure(struct lease *l, bool full_page, struct deadline deadline, struct area *ret,
		   struct error *err)
{
	json_t *metrics = NULL, *content, *view;
	int r = page_call(l, "Page.getLayoutMetrics", NULL, deadline, &metrics, err);

	if (r < 0)
		return r;
	content = json_object_get(metrics, "cssContentSize");
	view = json_object_get(metrics, "cssLayoutViewport");
	*ret = full_page
		       ? (struct area){ 0, 0, number(content, "width"), number(content, "height") }
		       : (struct area){ number(view, "pageX"), number(view, "pageY"),
					number(view, "clientWidth"), number(view, "clientHeight") };
	json_decref(metrics);
	return 0;
}

/* Written so that what is no number fails as well. */
static int check_area(const struct area *a, struct error *err)
{
	if (!(a->width > 0 && a->height > 0))
		return error_set(err, -EINVAL, "a picture without a size");
	if (!(a->width <= MAX_SIDE && a->height <= MAX_SIDE && a->width * a->height <= MAX_PIXELS))
		return error_set(err, -EFBIG, "a picture of %.0f x %.0f pixels", a->width,
				 a->height);
	return 0;
}

static json_t *shot_params(const struct page_shot *shot, const struct area *a)
{
	json_t *params = json_pack("{ss sb s{sf sf sf sf si}}", "format",
				   shot->jpeg_quality > 0 ? "jpeg" : "png", "captureBeyondViewport",
				   1, "clip", "x", a->x, "y", a->y, "width", a->width, "height",
				   a->height, "scale", 1);

	if (shot->jpeg_quality > 0)
		json_object_set_new(params, "quality", json_integer(shot->jpeg_quality));
	return params;
}

static int take_picture(json_t *result, size_t max_bytes, struct buf *out, struct error *err)
{
	json_t *data = json_object_get(result, "data");
	size_t before = out->len, len = json_string_length(data);

	/* The padding's two bytes are not worth a decoding. */
	if (len / 4 * 3 > max_bytes + 2)
		return error_set(err, -EFBIG, "a picture of about %zu bytes", len / 4 * 3);
	if (len == 0 || !base64_decode(json_string_value(data), len, out))
		return error_set(err, -EREMOTEIO, "Page.captureScreenshot: not base64");
	if (out->len - before <= max_bytes)
		return 0;
	out->len = before;
	out->data[before] = '\0';
	return error_set(err, -EFBIG, "a picture of more than %zu bytes", max_bytes);
}

int page_shot(struct lease *l, const struct page_shot *shot, struct deadline deadline,
	      struct buf *out, struct error *err)
{
	struct area area = { shot->x, shot->y, shot->width, shot->height };
	json_t *result = NULL;
	int r = 0;

	if (!(shot->width > 0))
		r = measure(l, shot->full_page, deadline, &area, err);
	if (r == 0)
		r = check_area(&area, err);
	if (r == 0)
		r = page_call(l, "Page.captureScreenshot", shot_params(shot, &area), deadline,
			      &result, err);
	if (r == 0)
		r = take_picture(result, shot->max_bytes, out, err);
	json_decref(result);
	return r;
}
