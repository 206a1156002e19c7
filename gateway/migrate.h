/*
 * migrate.h - brings the database to this program's schema: pensum-gateway --migrate.
 *
 * Applies the files of gateway.sql_dir in the order of their names, each in a transaction of its
 * own under an advisory lock, and records name and SHA-256 in pensum.migrations. Repeating does
 * nothing; a file that changed after it was applied is an error (-EEXIST) and changes nothing. One that
 * needs a lock which others hold is tried again, for a minute (-ENOLCK), and keeps nobody waiting meanwhile;
 * once it has what it needs it may take an hour.
 * Blocking; says on stdout what it did.
 */
#pragma once

#include "error.h"
#include "settings.h"

int migrate_run(const struct settings *s, struct error *err);
