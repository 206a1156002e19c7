/*
 * calls.h - what a trivial call costs, through the pool and directly: `client calls`.
 */
#pragma once

/* argv: the browser of its own. */
void calls_compare(const char *socket, char **argv);
