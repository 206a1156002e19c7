/*
 * jobmsg.h - jobs and their events, as they cross process boundaries.
 *
 * A job is a row in PostgreSQL (deploy/sql); this file names its words. States:
 *
 *	queued -> running -> succeeded | failed | cancelled
 *	running -> queued	(a retry, or its worker died: the attempt is spent)
 *	running -> waiting	(needs the student, e.g. to sign in again) -> queued
 *	running -> dead		(no attempt left; kept, listed) -> queued by an operator
 *	queued, waiting -> cancelled, and a sign-in that takes ten minutes -> failed
 *
 * An event is the newest fact about a job. Its version (attempt, n) has one writer at a time and
 * only grows: queued for attempt k is (k, 0), the worker of attempt k counts (k, 1), (k, 2), …, and
 * the terminal event is the last. Readers show newer versions only, so a zombie's events (a smaller
 * attempt) are never seen, whatever Redis forgot.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define ID_LEN 24 /* job, document and batch ids: lower-case hex */

bool id_is_valid(const char *id);

enum job_kind { JOB_SIGNIN, JOB_COURSES, JOB_CHECK, JOB_DOCUMENT, JOB_SIGNOUT, JOB_KIND_COUNT };
enum job_queue { JOB_QUEUE_CHECKER, JOB_QUEUE_DOCGEN, JOB_QUEUE_COUNT };
enum job_priority { JOB_HIGH, JOB_NORMAL, JOB_LOW, JOB_PRIORITY_COUNT };
enum job_state {
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_WAITING,
	JOB_SUCCEEDED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_DEAD,
	JOB_STATE_COUNT
};

/* Names as in PostgreSQL, Redis and JSON. The _parse functions answer -1 for an unknown name; a kind
 * that is none has the name "unknown". */
const char *job_kind_name(enum job_kind kind);
int job_kind_parse(const char *name);
const char *job_queue_name(enum job_queue queue);
const char *job_priority_name(enum job_priority priority);
const char *job_state_name(enum job_state state);
int job_state_parse(const char *name);
bool job_state_is_terminal(enum job_state state);

/* Which queue runs a kind, and with which priority (a person waits for a sign-in). */
enum job_queue job_kind_queue(enum job_kind kind);
enum job_priority job_kind_priority(enum job_kind kind);

struct job_version {
	int attempt;
	int n;
};
/* The version of a row's columns (view pensum.job_events): what waits for an attempt, or was cancelled
 * before it, is newer than all of the attempt before. */
struct job_version job_version_of_row(enum job_state state, int attempt, int event_n);
/* <0, 0, >0 as a is older than, the same as, newer than b */
int job_version_compare(struct job_version a, struct job_version b);

#define JOB_STEP_SIZE 64
#define JOB_NOTE_SIZE 256

struct job_event {
	char job[ID_LEN + 1];
	enum job_state state;
	struct job_version version;
	char step[JOB_STEP_SIZE]; /* "signing in", "reading courses", … or a failure's code */
	int done, total;	  /* total 0: not countable */
	char note[JOB_NOTE_SIZE]; /* a sentence for the student, UTF-8 */
};

/*
 * The event as Redis fields (XADD pensum:events and HSET pensum:job:<id>), readable:
 *	j <id> s <state> k <attempt> n <n> p <step> d <done> t <total> m <note>
 * argv gets JOB_EVENT_FIELDS * 2 pointers into ev and into nums, valid as long as both.
 */
#define JOB_EVENT_FIELDS 8
struct job_event_numbers {
	char text[4][16];
};
void job_event_to_fields(const struct job_event *ev, struct job_event_numbers *nums,
			 const char *argv[JOB_EVENT_FIELDS * 2]);

/* One field of such a record. Unknown names are ignored; -EBADMSG for a bad value. Call
 * job_event_init() before the first field and job_event_check() after the last. */
void job_event_init(struct job_event *ev);
int job_event_set_field(struct job_event *ev, const char *name, const char *value, size_t len);
int job_event_check(const struct job_event *ev);

/* The event's part of a live message: {"job","state","version":[k,n],"step","done","total","note"}.
 * A new reference. */
json_t *job_event_to_json(const struct job_event *ev);
