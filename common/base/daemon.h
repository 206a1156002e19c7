/*
 * daemon.h - what every long-running process does once at start, and how it talks to systemd.
 */
#pragma once

#include <stdbool.h>

/* umask 0077, SIGPIPE ignored, no core dumps (secrets in memory), descriptors 0-2 open, and
 * PENSUM_* and secrets' paths out of the environment that children inherit. */
void daemon_prepare(void);

/* A datagram to $NOTIFY_SOCKET, e.g. "READY=1\nSTATUS=…"; nothing without systemd. */
void daemon_notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The first socket that systemd listens on for us (LISTEN_FDS, sd_listen_fds(3)): it outlives this
 * process, and whoever connects while nobody runs waits for the next one. -1: none. Forgets the variables,
 * so that it is taken once. */
int daemon_take_socket(void);

/* For straight-line processes: SIGTERM/SIGINT set a flag (no SA_RESTART: waits wake up). */
void daemon_catch_stop(void);
bool daemon_stop_asked(void);

/* The kernel sends sig to us when our parent dies. Call after any setuid; exits when the parent is
 * gone already. parent is getpid() before fork(). */
void daemon_die_with_parent(int sig, int parent);
