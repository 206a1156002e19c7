/*
 * backends.h - what every program that has the record needs of the machine, looked at for --check-config.
 */
#pragma once

#include "error.h"
#include "settings.h"

/* Whether the key and the passwords can be read, and where both databases are can be understood. Connects to
 * nothing: what is away may be there later. */
int backends_check(const struct settings *s, struct error *err);
