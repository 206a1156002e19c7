#include "document.h"

#include <ctype.h>

#include "clean.h"
#include "href.h"
#include "mem.h"

#define DOCUMENT_MAX_LINE 300
#define DOCUMENT_LANG	  "en-GB"

void document_init(struct document *d)
{
	*d = (struct document){
		.title = mem_strdup(""),
		.course = mem_strdup(""),
		.author = mem_strdup(""),
		.roll = mem_strdup(""),
		.url = mem_strdup(""),
		.lang = mem_strdup(DOCUMENT_LANG),
	};
}

void document_done(struct document *d)
{
	free(d->title);
	free(d->course);
	free(d->author);
	free(d->roll);
	free(d->url);
	free(d->lang);
	blocks_done(&d->blocks);
	*d = (struct document){0};
}

void document_set(char **field, const char *text)
{
	char *line = clean_new_line(text, DOCUMENT_MAX_LINE);

	free(*field);
	*field = line;
}

void document_set_url(struct document *d, const char *url)
{
	CLEANUP(buf_done) struct buf clean = BUF_INIT;

	if (url)
		href_clean(url, &clean);
	free(d->url);
	d->url = buf_take(&clean);
}

/* Two or three letters, then perhaps a region of two letters: what Moodle's pages say. */
static bool lang_is_simple(const char *lang)
{
	size_t n = 0;

	while (isalpha((unsigned char)lang[n]) && isascii((unsigned char)lang[n]))
		n++;
	if (n < 2 || n > 3)
		return false;
	if (lang[n] == '\0')
		return true;
	return (lang[n] == '-' || lang[n] == '_') && strlen(lang + n) == 3 &&
	       isalpha((unsigned char)lang[n + 1]) && isalpha((unsigned char)lang[n + 2]);
}

void document_set_lang(struct document *d, const char *lang)
{
	bool region = false;

	free(d->lang);
	if (lang == NULL || !lang_is_simple(lang) || strcmp(lang, "en") == 0) {
		d->lang = mem_strdup(DOCUMENT_LANG);
		return;
	}
	d->lang = mem_strdup(lang);
	for (char *p = d->lang; *p != '\0'; p++) {
		if (*p == '_' || *p == '-') {
			*p = '-';
			region = true;
			continue;
		}
		*p = (char)(region ? toupper((unsigned char)*p) : tolower((unsigned char)*p));
	}
}

static json_t *document_to_json(const struct document *d)
{
	return json_pack("{s:s s:s s:s s:s s:s s:s s:b s:o}", "title", d->title, "course",
			 d->course, "author", d->author, "roll", d->roll, "url", d->url, "lang",
			 d->lang, "ai", d->ai_assisted, "blocks", blocks_to_json(&d->blocks));
}

static int add_piece(const char *piece, size_t len, void *out)
{
	buf_add(out, piece, len);
	return 0;
}

void document_canonical(const struct document *d, struct buf *out)
{
	json_t *json = document_to_json(d);

	if (json_dump_callback(json, add_piece, out, JSON_COMPACT | JSON_SORT_KEYS) < 0)
		abort();
	json_decref(json);
}
