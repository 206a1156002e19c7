/*
 * vcall.h - a client's browser-level call while it is worked on (for vbrowser.h).
 *
 * What the client asks takes no call on Chromium (vcall_answer), one whose answer it gets unseen
 * (vcall_pass), or several (vcall_go): then a copy of the call is the argument of the function that
 * gets Chromium's answer, which begins with vcall_goes_on() and frees the copy at its end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "calls.h"
#include "session.h"

struct vbrowser;

struct vcall {
	struct vbrowser *v;
	int64_t client_id;
	struct session *session;     /* where it came from; not valid in copies */
	char name[CDP_SESSION_NAME]; /* that session's for the client, "" for the root */
	char target[CDP_NAME_SIZE];  /* what the answer will name, "" for nothing */
};

void vcall_answer(const struct vcall *call, json_t *result); /* result is taken */
void vcall_fail(const struct vcall *call, const char *sentence);

/* The call with these parameters (taken), on all of the browser; its answer goes to the client. */
void vcall_pass(const struct vcall *call, const char *method, json_t *params);

/* A step on the way; params is taken, fn gets a copy of the call. */
void vcall_go(const struct vcall *call, const char *session, const char *method, json_t *params,
	      call_fn *fn);
/* False when there is nobody to go on for; an error was told to the client. */
bool vcall_goes_on(const struct vcall *call, json_t *result, const char *error);

/* Answers when all that was asked of Chromium before is done, and its events have come. */
void vcall_answer_after_all(const struct vcall *call);

/* A call whose answer nobody needs. */
void vcall_ignored(struct vbrowser *v, const char *session, const char *method, json_t *params);
