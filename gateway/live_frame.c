#include "live_frame.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct live_frame *live_frame_new(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	struct live_frame *f;

	if (text == NULL)
		abort(); /* our own, made of checked text */
	json_decref(json);
	f = mem_zalloc(sizeof(*f));
	f->refs = 1;
	f->len = strlen(text);
	f->text = mem_zalloc(LIVE_FRAME_HEAD + f->len);
	f->text += LIVE_FRAME_HEAD;
	memcpy(f->text, text, f->len);
	free(text);
	return f;
}

struct live_frame *live_frame_ref(struct live_frame *f)
{
	f->refs++;
	return f;
}

void live_frame_unref(struct live_frame *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	free(f->text - LIVE_FRAME_HEAD);
	free(f);
}
