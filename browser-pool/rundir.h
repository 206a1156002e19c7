/*
 * rundir.h - the folder of browser profiles: one pool at a time, nothing left over.
 *
 * A profile folder lives as long as its browser. What a killed pool left behind is removed when the
 * next one opens the folder, and what still runs of it is killed; a lock file says whose it is.
 * Only folders that this module names are ever removed, so that a wrong pool.run_dir costs nobody
 * their files.
 */
#pragma once

#include "error.h"

struct rundir;

/* -EBUSY when another pool holds it. */
int rundir_open(const char *path, struct rundir **ret, struct error *err);
void rundir_close(struct rundir *dir); /* removes what profiles are left */
/* How many processes of a killed pool were found when it was opened, and killed. */
unsigned rundir_orphans(const struct rundir *dir);

/* A new, empty profile with a tmp folder inside; *ret is its path, yours to free. */
int rundir_make_profile(struct rundir *dir, unsigned id, char **ret, struct error *err);
int rundir_remove_profile(const char *profile, struct error *err);
