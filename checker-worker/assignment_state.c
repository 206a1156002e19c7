#include "assignment_state.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mem.h"
#include "plain_text.h"
#include "records.h"

/* In UTF-16 units, as in scripts/check_course.js. */
#define MAX_NAME    680
#define MAX_SECTION 340
#define MAX_REASON  160

/* What decides, taken out of the two answers. */
struct facts {
	const char *submission; /* "", "new", "draft", "submitted", "reopened", "marked" */
	bool is_graded, is_grade_shown, is_locked, is_offline, can_hand_in;
	bool has_no_team;  /* … and needs one */
	bool is_team_left; /* the student's part is done, others are awaited */
	int64_t opens;	   /* 0: no such date */
};

struct verdict {
	const char *status, *handin;
	int pending; /* -1: unknown */
	const char *reason;
};
#define UNKNOWN ((struct verdict){ "unknown", "unknown", -1, NULL })

/* PHP's truth: true, 1 and "1". */
static bool is_true(const json_t *value)
{
	return json_is_true(value) || json_integer_value(value) != 0 ||
	       (json_is_string(value) && strcmp(json_string_value(value), "1") == 0);
}

static bool has(const json_t *object, const char *name)
{
	return is_true(json_object_get(object, name));
}

static int64_t date_of(const json_t *object, const char *name)
{
	json_int_t date = json_integer_value(json_object_get(object, name));

	return date > 0 && date <= RECORDS_MAX_DATE ? date : 0;
}

static bool is_word(const json_t *value, const char *word)
{
	return json_is_string(value) && strcmp(json_string_value(value), word) == 0;
}

/* "All of the team must submit": who has not is named by ids, and which of them is the student, the
 * student's own part tells. */
static bool is_team_left(const json_t *assignment, const json_t *last, const char *submission)
{
	const json_t *own = json_object_get(json_object_get(last, "submission"), "status"),
		     *awaited = json_object_get(last, "submissiongroupmemberswhoneedtosubmit");

	return has(assignment, "requireallteammemberssubmit") && strcmp(submission, "draft") == 0 &&
	       json_array_size(awaited) > 0 && is_word(own, "submitted");
}

static struct facts facts_of(const json_t *assignment, const json_t *last, const json_t *feedback)
{
	bool is_team = has(assignment, "teamsubmission");
	const json_t *submission = json_object_get(last, is_team ? "teamsubmission" : "submission"),
		     *grading = json_object_get(last, "gradingstatus");
	const char *word = json_string_value(json_object_get(submission, "status"));
	struct facts f = {
		.submission = word ? word : "",
		.is_graded = is_word(grading, "graded") || is_word(grading, "released"),
		.is_grade_shown =
			json_string_length(json_object_get(feedback, "gradefordisplay")) > 0,
		.is_locked = has(last, "locked"),
		.is_offline = !has(last, "submissionsenabled"),
		.can_hand_in = has(last, "canedit") || has(last, "cansubmit"),
		.has_no_team = is_team && has(assignment, "preventsubmissionnotingroup") &&
			       json_integer_value(json_object_get(last, "submissiongroup")) == 0,
		.opens = date_of(assignment, "allowsubmissionsfromdate"),
	};

	f.is_team_left = is_team_left(assignment, last, f.submission);
	return f;
}

/* NULL: a word that is not known. */
static const char *status_of(const struct facts *f)
{
	static const char *const words[][2] = { { "", "none" },
						{ "new", "none" },
						{ "draft", "draft" },
						{ "submitted", "submitted" },
						{ "reopened", "reopened" },
						{ "marked", "graded" } };
	const char *status = NULL;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(f->submission, words[i][0]) == 0)
			status = words[i][1];
	if (status == NULL)
		return NULL;
	/* When the student may see the grade: so does Moodle's list, the other road's source. */
	if (f->is_graded && f->is_grade_shown &&
	    (strcmp(status, "none") == 0 || strcmp(status, "submitted") == 0))
		return "graded";
	return status;
}

/* What Moodle always tells; from its silence nothing is concluded. */
static bool is_whole(const json_t *last)
{
	static const char *const always[] = { "submissionsenabled", "locked", "canedit",
					      "cansubmit" };

	for (size_t i = 0; i < ARRAY_LEN(always); i++) {
		const json_t *value = json_object_get(last, always[i]);

		if (value == NULL || json_is_null(value))
			return false;
	}
	return true;
}

/* The order of handInOf() in scripts/assignment_page.js, but that Moodle's service tells who is in
 * no group that it may be handed in, which its page then does not let. */
static struct verdict judge(const struct facts *f, int64_t now)
{
	const char *status = status_of(f);

	if (status == NULL)
		return UNKNOWN;
	if (strcmp(status, "submitted") == 0 || strcmp(status, "graded") == 0)
		return (struct verdict){ status, "done", 0, NULL };
	if (f->is_team_left)
		return (struct verdict){ status, "team", 0,
					 "Your part is done; it waits for others of your team." };
	if (f->can_hand_in && !f->has_no_team)
		return (struct verdict){ status, "open", 1, NULL };
	if (f->is_locked)
		return (struct verdict){ status, "locked", 0,
					 "Your teacher has locked it: Moodle takes nothing." };
	if (f->is_offline)
		return (struct verdict){ status, "offline", 0,
					 "There is nothing to hand in on Moodle." };
	if (f->has_no_team)
		return (struct verdict){ status, "no_team", 1,
					 "It is handed in by groups, and you are not in one. "
					 "Ask your teacher." };
	if (f->opens > now)
		return (struct verdict){ status, "later", 1, "It opens later" };
	return (struct verdict){ status, "closed", 0, "It is closed: Moodle takes nothing more." };
}

static json_t *reason_of(const struct verdict *v, const struct facts *f, const char *why)
{
	CLEANUP_FREE char *clipped = NULL;
	char text[256];
	time_t at = (time_t)f->opens;
	struct tm utc;

	if (v->pending < 0) {
		snprintf(text, sizeof(text), "could not be checked: %s",
			 why ? why : "Moodle shows no submission state");
		clipped = plain_text(text, MAX_REASON);
		return json_string(clipped);
	}
	if (strcmp(v->handin, "later") != 0)
		return v->reason ? json_string(v->reason) : NULL;
	if (gmtime_r(&at, &utc) == NULL)
		return json_string("It opens later.");
	strftime(text, sizeof(text), "It opens later: %Y-%m-%d %H:%M UTC", &utc);
	return json_string(text);
}

/* An extension that is earlier than the due date changes nothing, and without a due date Moodle's
 * pages show none. */
static json_t *due_of(const json_t *assignment, const json_t *last)
{
	int64_t due = date_of(assignment, "duedate"), extension = date_of(last, "extensionduedate");

	if (due == 0)
		return json_null();
	return json_integer(MAX(due, extension));
}

json_t *assignment_state(const json_t *assignment, const json_t *status, const char *why,
			 const char *section, const char *root, int64_t now)
{
	const json_t *last = json_object_get(status, "lastattempt");
	json_int_t cmid = json_integer_value(json_object_get(assignment, "cmid"));
	const char *html = json_string_value(json_object_get(assignment, "name"));
	struct verdict v = UNKNOWN;
	CLEANUP_FREE char *name = NULL, *place = NULL, *url = NULL;
	struct facts f = { 0 };
	json_t *reason;

	if (cmid <= 0 || html == NULL)
		return NULL;
	name = plain_text(html, MAX_NAME);
	place = plain_text(section, MAX_SECTION);
	url = mem_printf("%s/mod/assign/view.php?id=%lld", root, (long long)cmid);
	if (is_whole(last)) {
		f = facts_of(assignment, last, json_object_get(status, "feedback"));
		v = judge(&f, now);
	}
	reason = reason_of(&v, &f, why);
	return json_pack("{s:I, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:s, s:o*}", "cmid", cmid,
			 "name", name, "url", url, "section", place, "due",
			 due_of(assignment, last), "due_text", "", "status", v.status, "pending",
			 v.pending < 0 ? json_null() : json_boolean(v.pending), "handin", v.handin,
			 "reason", reason);
}
