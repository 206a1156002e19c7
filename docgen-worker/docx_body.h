/*
 * docx_body.h - word/document.xml and what it refers to (inside docx.h only).
 *
 * docx_body_write() walks the blocks once; the addresses, pictures and numbered lists that it meets
 * are collected, for the parts that declare them.
 */
#pragma once

#include "buf.h"
#include "document.h"
#include "picture.h"

#define DOCX_TEXT_WIDTH 9638 /* twips: A4 less two margins of 2 cm */
#define DOCX_BULLETS	1    /* w:numId of all bullet lists; numbered lists follow */

struct docx_picture {
	const struct buf *data;
	enum picture_type type;
};

struct docx_body {
	struct buf xml;
	const char **links; /* borrowed from the document; rIdL1 is the first */
	size_t link_count;
	struct docx_picture *pictures; /* rIdP1, word/media/image1.… */
	size_t picture_count;
	int *number_levels; /* of w:num DOCX_BULLETS + 1 + i: where its list begins */
	size_t number_count;
	bool after_table; /* the next paragraph must keep its distance */
};

#define DOCX_BODY_INIT                                                                             \
	{                                                                                          \
		.xml = BUF_INIT                                                                    \
	}

void docx_body_write(struct docx_body *x, const struct document *d);
void docx_body_done(struct docx_body *x);

/* A paragraph's beginning: its properties. num 0: in no list. */
struct docx_paragraph {
	const char *style; /* NULL: Normal */
	int num, level;
	bool keep_next;
	bool rtl;
	int before, after; /* twips; 0: as the style says */
};
void docx_paragraph_begin(struct docx_body *x, const struct docx_paragraph *p);
void docx_paragraph_end(struct docx_body *x);

/* Runs, in docx_runs.c. */
void docx_add_runs(struct docx_body *x, const struct runs *runs, bool rtl);
void docx_add_text(struct docx_body *x, const char *text);		     /* one plain run */
void docx_add_link(struct docx_body *x, const char *href, const char *text); /* href: borrowed */
bool docx_runs_are_rtl(const struct runs *runs);

/* A block each, in docx_table.c and docx_picture.c. */
void docx_add_table(struct docx_body *x, const struct block *block);
void docx_add_picture(struct docx_body *x, const struct block *block);
