/*
 * jobs.h - the kinds of job that checker-worker does, one function each.
 */
#pragma once

#include "work.h"

int job_signin(struct work *w);	 /* input {"username"}, secret: the sealed password */
int job_courses(struct work *w); /* input {} */
int job_check(struct work *w);	 /* input {"courses":[{"id","name"}]} */
int job_signout(struct work *w); /* input {}, secret: whose session (gateway/farewell.h) */
