#include "failure.h"

#include <string.h>

#include "mem.h"

static const struct failure table[] = {
	/* signing in: checker-worker/scripts/signin.js */
	{ "wrong_password", FAILURE_FINAL, "Moodle did not accept this username and password." },
	{ "account_locked", FAILURE_FINAL,
	  "Moodle has locked this account for a while after too "
	  "many tries. Wait, or unlock it by Moodle's e-mail." },
	{ "account_not_confirmed", FAILURE_FINAL,
	  "This Moodle account is not confirmed yet: open the link in the mail that Moodle sent." },
	{ "must_change_password", FAILURE_FINAL,
	  "Moodle wants a new password first. Sign in to Moodle once and change it." },
	{ "policy_agreement_needed", FAILURE_FINAL,
	  "Moodle wants you to agree to its policy. Sign in to Moodle once and do so." },
	{ "profile_incomplete", FAILURE_FINAL,
	  "Moodle wants your profile completed. Sign in to Moodle once and do so." },
	{ "mfa_needed", FAILURE_WAIT, "This account asks for a second factor. Enter its code." },
	{ "mfa_unsupported", FAILURE_FINAL,
	  "This account's second factor is no code, which Pensum cannot answer." },
	{ "mfa_refused", FAILURE_FINAL, "Moodle has ended this sign-in. Sign in again." },
	{ "captcha_needed", FAILURE_FINAL, "Moodle asks for a captcha at sign-in." },
	{ "signs_in_elsewhere", FAILURE_FINAL,
	  "This Moodle signs in through another site, which is not set up here." },
	{ "signin_not_understood", FAILURE_FINAL,
	  "The sign-in came to a page that is not set up here. Nothing was signed in." },
	{ "signin_stopped", FAILURE_FINAL,
	  "The sign-in stopped at a page that needs you. Sign in there once with your own browser." },
	{ "cookies_refused", FAILURE_RETRY, "Moodle did not keep its session cookie." },
	{ "maintenance", FAILURE_FINAL, "Moodle is down for maintenance." },
	{ "site_down", FAILURE_RETRY, "Moodle does not answer." },
	{ "no_service", FAILURE_FINAL, "Moodle's web service does not answer for this account." },
	{ "site_busy", FAILURE_RETRY, "Moodle asks us to come back later." },
	{ "site_unknown", FAILURE_RETRY, "This Moodle is not set up here." },
	{ "not_moodle", FAILURE_FINAL, "The configured address does not look like a Moodle site." },
	{ "session_dead", FAILURE_WAIT, "Moodle has ended your session. Please sign in again." },

	/* reading pages */
	{ "not_understood", FAILURE_FINAL, "A Moodle page could not be understood." },
	{ "course_hidden", FAILURE_FINAL, "This course is not available to students now." },
	{ "not_enrolled", FAILURE_FINAL, "You are not enrolled in this course." },
	{ "course_unknown", FAILURE_FINAL, "Moodle does not know this course." },
	{ "assignment_hidden", FAILURE_FINAL, "This assignment is not available to you now." },
	{ "assignment_unknown", FAILURE_FINAL, "Moodle does not know this assignment." },

	/* the machinery */
	{ "browser_lost", FAILURE_RETRY, "The browser stopped while it was reading." },
	{ "no_browser", FAILURE_RETRY, "No browser was free in time." },
	{ "timeout", FAILURE_RETRY, "This took too long." },
	{ "worker_lost", FAILURE_RETRY, "The worker stopped in the middle of this." },
	{ "store_failed", FAILURE_RETRY, "The document could not be stored." },
	{ "database_lost", FAILURE_RETRY, "The database could not be reached." },
	{ "cancelled", FAILURE_FINAL, "Cancelled." },
	{ "bad_input", FAILURE_FINAL, "The job's input is not valid." },
	{ "internal", FAILURE_RETRY, "Something went wrong inside Pensum." },
};

static const struct failure *find(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].code, code) == 0)
			return &table[i];
	return NULL;
}

const struct failure *failure_find(const char *code)
{
	const struct failure *row = find(code);

	return row ? row : find("internal");
}
