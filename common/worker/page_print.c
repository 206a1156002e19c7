#include "page_print.h"

#include <errno.h>

#define MM_PER_INCH 25.4

static json_t *print_params(const struct page_paper *paper)
{
	double margin = paper->margin_mm / MM_PER_INCH;
	bool framed = paper->header != NULL || paper->footer != NULL;

	return json_pack("{ss sb sb sb sf sf sf sf sf sf sb ss ss}", "transferMode",
			 "ReturnAsStream", "landscape", (int)paper->landscape, "printBackground",
			 (int)paper->background, "preferCSSPageSize", (int)paper->css_size,
			 "paperWidth", paper->width_mm / MM_PER_INCH, "paperHeight",
			 paper->height_mm / MM_PER_INCH, "marginTop", margin, "marginBottom",
			 margin, "marginLeft", margin, "marginRight", margin, "displayHeaderFooter",
			 (int)framed, /* an empty template would be Chromium's own */
			 "headerTemplate", paper->header ? paper->header : "<span></span>",
			 "footerTemplate", paper->footer ? paper->footer : "<span></span>");
}

int page_print(struct lease *l, const struct page_paper *paper, struct page_sink *sink,
	       struct deadline deadline, struct error *err)
{
	json_t *result = NULL;
	const char *stream;
	int r = page_call(l, "Page.printToPDF", print_params(paper), deadline, &result, err);

	if (r < 0)
		return r;
	stream = json_string_value(json_object_get(result, "stream"));
	r = stream ? page_stream_read(l, stream, sink, deadline, err)
		   : error_set(err, -EREMOTEIO, "Page.printToPDF: no stream");
	json_decref(result);
	return r;
}
