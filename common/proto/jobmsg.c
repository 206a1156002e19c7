#include "jobmsg.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const char *const kind_names[JOB_KIND_COUNT] = { "signin", "courses", "check",
							   "document", "signout" };
static const char *const queue_names[JOB_QUEUE_COUNT] = { "checker", "docgen" };
static const char *const priority_names[JOB_PRIORITY_COUNT] = { "high", "normal", "low" };
static const char *const state_names[JOB_STATE_COUNT] = {
	[JOB_QUEUED] = "queued",       [JOB_RUNNING] = "running", [JOB_WAITING] = "waiting",
	[JOB_SUCCEEDED] = "succeeded", [JOB_FAILED] = "failed",   [JOB_CANCELLED] = "cancelled",
	[JOB_DEAD] = "dead"
};

static const struct {
	enum job_queue queue;
	enum job_priority priority;
} kinds[JOB_KIND_COUNT] = {
	[JOB_SIGNIN] = { JOB_QUEUE_CHECKER, JOB_HIGH },
	[JOB_COURSES] = { JOB_QUEUE_CHECKER, JOB_HIGH },
	[JOB_CHECK] = { JOB_QUEUE_CHECKER, JOB_NORMAL },
	[JOB_DOCUMENT] = { JOB_QUEUE_DOCGEN, JOB_NORMAL },
	[JOB_SIGNOUT] = { JOB_QUEUE_CHECKER, JOB_LOW },
};

bool id_is_valid(const char *id)
{
	return strlen(id) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN;
}

static int find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *job_kind_name(enum job_kind kind)
{
	return kind < JOB_KIND_COUNT ? kind_names[kind] : "unknown";
}

int job_kind_parse(const char *name)
{
	return find_name(kind_names, JOB_KIND_COUNT, name);
}

const char *job_queue_name(enum job_queue queue)
{
	return queue_names[queue];
}

const char *job_priority_name(enum job_priority priority)
{
	return priority_names[priority];
}

const char *job_state_name(enum job_state state)
{
	return state_names[state];
}

int job_state_parse(const char *name)
{
	return find_name(state_names, JOB_STATE_COUNT, name);
}

bool job_state_is_terminal(enum job_state state)
{
	return state == JOB_SUCCEEDED || state == JOB_FAILED || state == JOB_CANCELLED ||
	       state == JOB_DEAD;
}

enum job_queue job_kind_queue(enum job_kind kind)
{
	return kinds[kind].queue;
}

enum job_priority job_kind_priority(enum job_kind kind)
{
	return kinds[kind].priority;
}

struct job_version job_version_of_row(enum job_state state, int attempt, int event_n)
{
	bool next = state == JOB_QUEUED || state == JOB_CANCELLED;

	return (struct job_version){ attempt + next, event_n };
}

int job_version_compare(struct job_version a, struct job_version b)
{
	if (a.attempt != b.attempt)
		return a.attempt < b.attempt ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

void job_event_to_fields(const struct job_event *ev, struct job_event_numbers *nums,
			 const char *argv[JOB_EVENT_FIELDS * 2])
{
	const int numbers[4] = { ev->version.attempt, ev->version.n, ev->done, ev->total };
	const char *const fields[JOB_EVENT_FIELDS * 2] = {
		"j", ev->job,	    "s", state_names[ev->state], "k", nums->text[0],
		"n", nums->text[1], "p", ev->step,		 "d", nums->text[2],
		"t", nums->text[3], "m", ev->note
	};

	for (int i = 0; i < 4; i++)
		snprintf(nums->text[i], sizeof(nums->text[i]), "%d", numbers[i]);
	memcpy(argv, fields, sizeof(fields));
}

void job_event_init(struct job_event *ev)
{
	*ev = (struct job_event){ .state = JOB_STATE_COUNT, .version = { -1, -1 } };
}

static int set_text(char *out, size_t size, const char *value, size_t len)
{
	if (len >= size || !text_is_utf8(value, len) || text_has_control(value, len))
		return -EBADMSG;
	memcpy(out, value, len);
	out[len] = '\0';
	return 0;
}

static int set_number(int *out, const char *value, size_t len)
{
	char text[16];
	int64_t number;

	if (set_text(text, sizeof(text), value, len) < 0 ||
	    text_parse_i64(text, 0, INT_MAX, &number, NULL) < 0)
		return -EBADMSG;
	*out = (int)number;
	return 0;
}

static int set_state(enum job_state *out, const char *value, size_t len)
{
	char name[16];
	int state;

	if (set_text(name, sizeof(name), value, len) < 0)
		return -EBADMSG;
	state = job_state_parse(name);
	if (state < 0)
		return -EBADMSG;
	*out = (enum job_state)state;
	return 0;
}

int job_event_set_field(struct job_event *ev, const char *name, const char *value, size_t len)
{
	if (name[0] == '\0' || name[1] != '\0')
		return 0;
	switch (name[0]) {
	case 'j':
		return set_text(ev->job, sizeof(ev->job), value, len);
	case 's':
		return set_state(&ev->state, value, len);
	case 'k':
		return set_number(&ev->version.attempt, value, len);
	case 'n':
		return set_number(&ev->version.n, value, len);
	case 'p':
		return set_text(ev->step, sizeof(ev->step), value, len);
	case 'd':
		return set_number(&ev->done, value, len);
	case 't':
		return set_number(&ev->total, value, len);
	case 'm':
		return set_text(ev->note, sizeof(ev->note), value, len);
	default:
		return 0;
	}
}

int job_event_check(const struct job_event *ev)
{
	if (!id_is_valid(ev->job) || ev->state == JOB_STATE_COUNT || ev->version.attempt < 0 ||
	    ev->version.n < 0)
		return -EBADMSG;
	return 0;
}

json_t *job_event_to_json(const struct job_event *ev)
{
	return json_pack("{s:s, s:s, s:[i,i], s:s, s:i, s:i, s:s}", "job", ev->job, "state",
			 state_names[ev->state], "version", ev->version.attempt, ev->version.n,
			 "step", ev->step, "done", ev->done, "total", ev->total, "note", ev->note);
}
