/*
 * document.h - one document before it is written: who, what for, and its blocks.
 *
 * template.h makes it, docx.h writes it. Held by value: document_init(), fields set with
 * document_set(), document_done().
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "blocks.h"
#include "buf.h"

struct document {
	char *title;
	char *course;
	char *author; /* the student, "" when not known */
	char *roll;   /* "" */
	char *url;    /* of the assignment, "" or clean */
	char *lang;   /* "en-GB", "de", "pt-BR": of the words that the student will write */
	bool ai_assisted;
	struct blocks blocks;
};

void document_init(struct document *d);
void document_done(struct document *d);

/* Puts the text, made one clean line of at most 300 bytes, in place of *field. NULL: "". */
void document_set(char **field, const char *text);
void document_set_url(struct document *d, const char *url); /* a refused one is "" */
/* A language tag or Moodle's form of one ("pt_br"); anything else is "en-GB". */
void document_set_lang(struct document *d, const char *lang);

/*
 * Appends {title, course, author, roll, url, lang, ai, blocks} in its one canonical form: equal documents
 * give equal bytes, unequal ones do not. For the content hash, together with the format and the version
 * of the template.
 */
void document_canonical(const struct document *d, struct buf *out);
