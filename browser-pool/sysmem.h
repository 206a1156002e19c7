/*
 * sysmem.h - how much memory there is for us, how much of it is left, and how hard it is to get.
 *
 * What counts is the scarcest: the machine's (/proc/meminfo), or that of a control group that we
 * are in (cgroup v2, our own and every one above it). Of a group, what its page cache holds and
 * nobody has used lately counts as left, as it does in the machine's MemAvailable. Pressure is the
 * share of time in which somebody waited for memory (PSI, "some avg10"), the machine's or our
 * group's.
 *
 * A source that is missing, or says what nobody can understand, is left out; only without
 * /proc/meminfo is there no answer.
 */
#pragma once

#include <stdint.h>

#include "error.h"

struct sysmem_paths {
	const char *proc;   /* "/proc" */
	const char *cgroup; /* "/sys/fs/cgroup" */
};

struct sysmem {
	int64_t total_bytes;
	int64_t available_bytes; /* never negative */
	double pressure;	 /* percent; 0 when the kernel does not say */
};

extern const struct sysmem_paths sysmem_paths; /* of this machine */

/* A few small files: some 50 µs. */
int sysmem_read(const struct sysmem_paths *paths, struct sysmem *ret, struct error *err);

/* The parts that judge text. A number that is not there or no number is -1. */

/* "Name: 123 kB" in bytes. */
int64_t sysmem_parse_meminfo(const char *text, const char *name);
/* "name 123" of a memory.stat, as it stands. */
int64_t sysmem_parse_stat(const char *text, const char *name);
/* A memory.max or memory.current; INT64_MAX for "max". */
int64_t sysmem_parse_bytes(const char *text);
/* "some avg10=1.23 …" */
double sysmem_parse_pressure(const char *text);
/* Our place in the tree of cgroup v2, of a /proc/self/cgroup: "/a/b", "" for its root; NULL when
 * there is none, or one that leads elsewhere. free() it. */
char *sysmem_parse_cgroup(const char *text);
