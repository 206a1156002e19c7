#include "docx_body.h"

#include "mem.h"
#include "ooxml.h"

/* English Metric Units: 914400 an inch, so 9525 a pixel at 96 dpi and 635 a twip. */
#define EMU_PER_PIXEL 9525ull
#define MAX_WIDTH     (DOCX_TEXT_WIDTH * 635ull)
#define MAX_HEIGHT    7200000ull /* 20 cm: the page's height less its margins and a line */

struct extent {
	unsigned long long x, y;
};

static struct extent extent_of(const struct picture *p)
{
	struct extent e = {p->width * EMU_PER_PIXEL, p->height * EMU_PER_PIXEL};

	if (e.x > MAX_WIDTH)
		e = (struct extent){MAX_WIDTH, e.y * MAX_WIDTH / e.x};
	if (e.y > MAX_HEIGHT)
		e = (struct extent){e.x * MAX_HEIGHT / e.y, MAX_HEIGHT};
	return (struct extent){MAX(e.x, EMU_PER_PIXEL), MAX(e.y, EMU_PER_PIXEL)};
}

static const char *alt_of(const struct block *block)
{
	return block->text[0] ? block->text : "Picture from the assignment";
}

/* The id is unique in the document: pictures are its only drawings. */
static void add_drawing(struct buf *xml, const struct block *block, const struct picture *p,
			size_t id)
{
	struct extent e = extent_of(p);

	buf_printf(xml,
		   "<w:r><w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\">"
		   "<wp:extent cx=\"%llu\" cy=\"%llu\"/><wp:docPr id=\"%zu\" name=\"Picture %zu\" "
		   "descr=\"",
		   e.x, e.y, id, id);
	ooxml_add(xml, alt_of(block));
	buf_printf(xml,
		   "\"/><wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect=\"1\"/>"
		   "</wp:cNvGraphicFramePr><a:graphic><a:graphicData "
		   "uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><pic:pic>"
		   "<pic:nvPicPr><pic:cNvPr id=\"%zu\" name=\"Picture %zu\"/><pic:cNvPicPr/>"
		   "</pic:nvPicPr><pic:blipFill><a:blip r:embed=\"rIdP%zu\"/><a:stretch>"
		   "<a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm><a:off x=\"0\" "
		   "y=\"0\"/><a:ext cx=\"%llu\" cy=\"%llu\"/></a:xfrm><a:prstGeom prst=\"rect\">"
		   "<a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>"
		   "</wp:inline></w:drawing></w:r>",
		   id, id, id, e.x, e.y);
}

/* A picture that is not at hand becomes its description, linked to where it lies. */
static void add_reference(struct docx_body *x, const struct block *block)
{
	docx_add_text(x, "Picture: ");
	if (block->image.src[0] == '\0') {
		docx_add_text(x, alt_of(block));
		return;
	}
	docx_add_link(x, block->image.src, alt_of(block));
}

void docx_add_picture(struct docx_body *x, const struct block *block)
{
	const struct buf *data = &block->image.data;
	struct picture p;

	docx_paragraph_begin(x, &(struct docx_paragraph){0});
	if (!picture_read(data->data, data->len, &p)) {
		add_reference(x, block);
	} else {
		x->pictures =
			mem_realloc(x->pictures, (x->picture_count + 1) * sizeof(*x->pictures));
		x->pictures[x->picture_count++] = (struct docx_picture){data, p.type};
		add_drawing(&x->xml, block, &p, x->picture_count);
	}
	docx_paragraph_end(x);
}
