/*
 * making.h - the steps from nothing to a page that runs scripts (context.h: MAKING).
 *
 *	browser session -> browser context -> page -> session of the page -> a script's answer
 *
 * Each step has an answer, and all of them together have a time. When one fails, no
 * worker was promised the page, but its browser is not to be trusted any more: it drains.
 */
#pragma once

struct context;

void making_begin(struct context *c);
/* A timer of it is over. */
void making_note_time(struct context *c);
void making_fail(struct context *c, const char *why);
