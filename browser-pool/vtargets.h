/*
 * vtargets.h - the targets of a lease in browser mode (vbrowser.h), as its client may know them.
 *
 * The lease's own targets and no others: listed, told of as they come and go, attached to, made.
 * What names another one is refused as unknown, whether it exists or not. The page that was lent is
 * not shown until the client makes its first one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "vcall.h"

struct context;
struct pool_lease;

/* Which targets the client wants to hear of, and in which way. */
struct wish {
	bool on;
	json_t *filter; /* NULL: Chromium's own */
};

struct vbrowser {
	struct pool_lease *lease;
	struct context *context;
	bool shown;	   /* the client knows the page that was lent */
	bool context_made; /* createBrowserContext was answered */
	struct wish discover, attach;
	bool waits; /* for its new pages to be attached before they run */
};

/* One method: 0 when it was or will be answered, or -errno with the sentence for the client. */
typedef int verb_fn(const struct vcall *call, json_t *params, struct error *err);

verb_fn vtargets_activate, vtargets_attach, vtargets_attach_browser, vtargets_close,
	vtargets_detach, vtargets_get_all, vtargets_get_info, vtargets_set_auto_attach,
	vtargets_set_discover;

/* Target.createTarget, of which context and address were looked at. */
int vtargets_create(const struct vcall *call, const char *url, struct error *err);
void vtargets_close_pages(struct vbrowser *v);

int vtargets_refuse_unknown(struct error *err);
/* The member of an object when it is a text, else "". */
const char *vtargets_text_of(json_t *object, const char *member);
