/*
 * check_rows.h - what a check has found out of one course, as rows: its assignments and activities, when
 * it was checked, and the student's calendar.
 */
#pragma once

#include "work.h"

/* In the transaction that ends the attempt. outcome: as in job_check.c, borrowed. */
int check_rows_store(struct work *w, json_t *outcome, struct error *err);
