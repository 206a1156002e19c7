/*
 * docx.h - a document as a Word file (Office Open XML, ISO 29500), in memory.
 *
 * The bytes depend on the document and on `created` alone. The parts and their styles lie in
 * parts/ as files; docx_body.h writes the text. What the file never holds: fields besides the page
 * number, macros, outside pictures, addresses other than http, https and mailto.
 */
#pragma once

#include <stdint.h>

#include "buf.h"
#include "document.h"

/* Appends the file. created: epoch seconds, written into the properties. */
void docx_write(const struct document *d, int64_t created, struct buf *out);

#define DOCX_FILE_NAME_MAX 120 /* bytes */

/*
 * "PHY101-Ohms-law-draft.docx": what every platform takes as a file name and a person can read.
 * White space, dots and what Windows forbids become "-"; letters of any script are kept. Either
 * text may be empty or NULL. free() it.
 */
char *docx_file_name(const char *course, const char *title);
