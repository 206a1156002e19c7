/*
 * flight.h - one sign-in of a student at a time, however many browsers ask for one at once.
 *
 * Those who come second wait, and then look what became of the first: with the same password they
 * are let in, or refused, by its word, and Moodle is not asked again. Moodle counts wrong tries and
 * locks accounts for them; two sign-ins at once would also be two sessions, of which some sites
 * keep only the newer.
 *
 * The turn is the Redis key pensum:signin:<user>: the id of the job that has it, or, for a
 * minute after a refusal, "refused <wall clock, ms> <verifier of the refused password>". That a job
 * whose worker died still has it is seen from its row; it also ends some minutes behind the
 * attempt's time. Without Redis nobody waits.
 */
#pragma once

#include "work.h"

struct flight {
	bool held;
	int64_t refused_at;		  /* wall clock, ms */
	char refused[VAULT_VERIFIER_MAX]; /* "": none lately */
};

enum flight_word { FLIGHT_ASK, FLIGHT_IN, FLIGHT_REFUSED };

/* Waits for the turn. 0, or -1 after work_fail(). */
int flight_begin(struct work *w, struct flight *f);
/* What a sign-in that ended after this job was submitted says about its password. FLIGHT_IN:
 * *result is its job's result, yours. */
enum flight_word flight_ask(struct work *w, const struct flight *f, const char *password,
			    json_t **result);
/* verifier: of a password that was refused just now; NULL: none was. Twice is fine. */
void flight_end(struct work *w, struct flight *f, const char *verifier);
