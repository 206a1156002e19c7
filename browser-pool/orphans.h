/*
 * orphans.h - what the browsers of a killed pool left running.
 *
 * The kernel kills a browser's first process with its pool, and the others end when they lose it:
 * but not one that is stopped, and not at once those that left its group. The next pool on the same
 * folder finds them in two ways, because Chromium writes over the environment of its children:
 *
 * - by a variable that every browser is started with, and its helpers inherit;
 * - by the group that each profile folder has a note of. A group keeps its number as long as it has
 *   a member; that the number is not another's by now is seen by the leader's start, the boot, and
 *   what the members are.
 */
#pragma once

#include <sys/types.h>

#include "error.h"

#define ORPHANS_VARIABLE "BP_ID" /* =profile folder */

/* Puts the note into its profile folder. */
int orphans_note_leader(const char *profile, pid_t leader, struct error *err);

/* Kills all whose profile is, or was, in run_dir, and waits until they are gone (bounded). How many
 * there were. For a pool that has not started a browser yet. */
unsigned orphans_kill(const char *run_dir);
