/*
 * consumers.h - the names under which slots that are gone read the job streams.
 *
 * A slot's name is host:queue:slot, and Redis keeps one for ever. Those go that no slot of a known
 * worker has (pensum.workers) and that have been idle for a while, and any that has been idle for a
 * day. One that holds an entry stays: the entry would be lost with it. Slots take such entries over
 * first (common/worker/slot.c). All of that is decided inside one script: a slot that comes back
 * meanwhile is seen, or makes its name anew with its next question.
 */
#pragma once

#include <stdint.h>

#include "gateway.h"

/* How many went; -1: PostgreSQL or Redis did not answer. */
typedef void consumers_fn(int64_t gone, void *arg);

/* Calls fn exactly once, at once or later. */
void consumers_clean(struct gateway *g, int64_t idle_s, consumers_fn *fn, void *arg);
